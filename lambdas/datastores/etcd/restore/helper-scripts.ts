/** What the helper's scripts end with when they decide to; anything else but 0 is a command of theirs that failed. */
export const HELPER_EXIT_CODES = {
  /** What is on the volume does not allow it; nothing was moved. */
  refused: 10,
  /** What arrived is not the snapshot that was announced. */
  wrongSnapshot: 11,
  /** The volume has too little room; nothing was written. */
  noRoom: 12,
} as const;

const { refused, wrongSnapshot, noRoom } = HELPER_EXIT_CODES;

// POSIX shell as busybox has it, run with -eu. A line is a command, so that tests can end a script before each of them.
// `mv` is one rename(2), as everything is on one volume: what is at a place is there whole or not at all.

// The termination message is what the API server shows of a container that ended well.
const PRELUDE = `
umask 077
own=$1
data=$2
tell() {
  echo "$1"
  if [ -w /dev/termination-log ]; then echo "$1" > /dev/termination-log; fi
}
give_up() {
  echo "$2"
  exit "$1"
}
settle() {
  sync -f "\${own%/*}" 2> /dev/null || sync
}
is_aside() {
  [ -e "$own/previous" ] || [ -e "$own/nothing-before" ]
}
# etcd holds this lock for as long as it runs; not every helper image can look at it.
require_unused() {
  if command -v flock > /dev/null && [ -e "$data/member/snap/db" ] && ! flock -n "$data/member/snap/db" true; then
    give_up ${refused} "an etcd still runs on $data"
  fi
}
`;

/**
 * Arguments: own directory, data directory, size in bytes, SHA-256, KiB that must be free, and the kind of standard input: `file`,
 * or `url` for a line with a URL of the file. No message may repeat it, for whoever has it can read the data.
 */
export const FETCH_SCRIPT = `${PRELUDE}
download() {
  if command -v curl > /dev/null; then
    # Not as an argument, which shows in the node's list of processes; wget has no other way.
    printf 'url = "%s"\\n' "$1" | curl --config - -fsS --connect-timeout 30 --speed-limit 1 --speed-time 60
  else
    wget -q -O - "$1"
  fi
}
# What a program says up to the first question mark, from where on a URL is secret; then at most $2 bytes of the file.
receive_from() {
  { download "$1" 2>&3 | head -c "$2" > "$own/snapshot.db"; } 3>&1 | sed 's/[?].*//' | head -n 3
}
if is_aside || [ -e "$own/reverted" ]; then
  give_up ${refused} "$own was swapped already; it can't be prepared again"
fi
rm -rf "$own/prepared" "$own/restored" "$own/snapshot.db"
free=$(df -Pk "\${own%/*}" | tail -n 1 | { read -r _ _ _ free _; echo "$free"; })
if [ "$free" -lt "$5" ]; then
  give_up ${noRoom} "the volume has $free KiB free, $5 KiB are needed beside the live data"
fi
mkdir -p "$own"
failure=
if [ "$6" = url ]; then
  IFS= read -r url || true
  failure=$(receive_from "$url" "$3")
else
  head -c "$3" > "$own/snapshot.db"
fi
received=$(wc -c < "$own/snapshot.db")
if [ "$received" -ne "$3" ]; then
  give_up ${wrongSnapshot} "$received of $3 bytes arrived, then the stream ended\${failure:+: $failure}"
fi
hash=$(sha256sum < "$own/snapshot.db")
if [ "\${hash%% *}" != "$4" ]; then
  give_up ${wrongSnapshot} "the SHA-256 of what arrived is \${hash%% *}, not $4"
fi
tell "received $received bytes with the announced SHA-256"
`;

/** Arguments: own directory, data directory. Only what it marks may be swapped. */
export const FINISH_SCRIPT = `${PRELUDE}
if [ ! -s "$own/restored/member/snap/db" ] || [ ! -d "$own/restored/member/wal" ]; then
  give_up ${refused} "$own/restored holds no data of an etcd"
fi
rm -f "$own/snapshot.db"
settle
: > "$own/prepared"
settle
tell "prepared: $(wc -c < "$own/restored/member/snap/db") bytes of data in $own/restored"
`;

/** Arguments: own directory, data directory. */
export const SWAP_SCRIPT = `${PRELUDE}
if [ -e "$own/reverted" ]; then
  give_up ${refused} "the data before were put back already; this operation may not swap again"
fi
if is_aside && [ ! -e "$own/restored" ]; then
  settle
  tell "was swapped before: the restored data are in $data"
  exit 0
fi
if [ ! -e "$own/prepared" ] || [ ! -e "$own/restored" ]; then
  give_up ${refused} "nothing is prepared in $own"
fi
require_unused
if ! is_aside; then
  if [ -e "$data" ]; then
    mv "$data" "$own/previous"
  else
    : > "$own/nothing-before"
  fi
fi
if [ -e "$data" ]; then
  give_up ${refused} "$data has come into being during the swap; nothing was overwritten"
fi
mkdir -p "\${data%/*}"
mv "$own/restored" "$data"
settle
tell "swapped: the restored data are in $data"
`;

/** Arguments: own directory, data directory. From the first mark on no swap of this operation can follow. */
export const BACK_SCRIPT = `${PRELUDE}
mkdir -p "$own"
: > "$own/reverted"
settle
if ! is_aside; then
  tell "nothing to put back: $data is as it was before"
  exit 0
fi
if [ -e "$data" ]; then
  require_unused
  aside=$own/restored
  if [ -e "$aside" ]; then
    aside=$own/unexpected
  fi
  if [ -e "$aside" ]; then
    give_up ${refused} "$own holds everything already, and still there is something in $data"
  fi
  mv "$data" "$aside"
fi
if [ -e "$own/previous" ]; then
  mv "$own/previous" "$data"
else
  rm -f "$own/nothing-before"
fi
settle
tell "put back: $data is as it was before"
`;

/**
 * Arguments: own directory, data directory. Removing takes its time and may be interrupted, so the directory first gets a name
 * under which nobody looks for data.
 */
export const CLEAR_SCRIPT = `${PRELUDE}
if is_aside && { [ -e "$own/restored" ] || [ ! -e "$data" ]; }; then
  give_up ${refused} "the swap of $data is half done; finish it or put the data back before $own is removed"
fi
rm -rf "$own.cleared"
if [ -e "$own" ]; then
  mv "$own" "$own.cleared"
fi
rm -rf "$own.cleared"
settle
tell "cleared: $own is gone"
`;
