/** What the helper's scripts end with when they decide to; anything else but 0 is a command of theirs that failed. */
export const HELPER_EXIT_CODES = {
  /** What is on the volume does not allow it; nothing was moved. */
  refused: 10,
  /** What arrived is not the snapshot that was announced. */
  wrongSnapshot: 11,
  /** The volume has too little room; nothing was written. */
  noRoom: 12,
  /** Another script of the operation is at work on the volume, or was ended there; {@link holderOf} its message tells whose. */
  busy: 13,
  /** It has begun after the time until which it may move data; nothing was moved. */
  tooLate: 14,
} as const;

const { refused, wrongSnapshot, noRoom, busy, tooLate } = HELPER_EXIT_CODES;

/** The uid of the pod that a script which ended with `busy` has found at work. */
export function holderOf(message: string): string | undefined {
  return /\(uid ([^)]+)\)/.exec(message)?.[1];
}

// POSIX shell as busybox has it, run with -eu. A line is a command, so that tests can end a script before each of them.
// `mv` is one rename(2), as everything is on one volume: what is at a place is there whole or not at all.

// One script at a time works on a volume. Each makes a directory with its own name in `at-work` and then looks whether it is alone
// there: of two at least the later one sees the other. Nobody takes away another's by guessing: the pods that are over are named
// in PODS_OVER, by uids, which never come back.

// Arguments of every script: own directory, the directory that is exchanged, and where in that etcd has its `snap` and `wal`: `member`,
// or `.` where the directory is `member` itself.

// The termination message is what the API server shows of a container that ended well.
const PRELUDE = `
umask 077
own=$1
data=$2
inner=$3
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
me=$0.\${POD_NAME:-nobody}.\${POD_UID:-$$}.$(date +%s)
others() {
  for entry in "$own/at-work"/*; do
    if [ -e "$entry" ] && [ "\${entry##*/}" != "$me" ]; then
      echo "\${entry##*/}"
    fi
  done
}
release() {
  rmdir "$own/at-work/$me" 2> /dev/null || true
  rmdir "$own/at-work" 2> /dev/null || true
  rmdir "$own" 2> /dev/null || true
}
claim() {
  trap release EXIT
  looks=1
  while true; do
    for uid in \${PODS_OVER:-}; do
      rmdir "$own/at-work"/*."$uid".* 2> /dev/null || true
    done
    mkdir -p "$own/at-work" 2> /dev/null || true
    mkdir "$own/at-work/$me" 2> /dev/null || true
    other=$(others | head -n 1)
    if [ -z "$other" ] && [ -e "$own/at-work/$me" ]; then
      return 0
    fi
    rmdir "$own/at-work/$me" 2> /dev/null || true
    if [ "$looks" -ge 10 ]; then
      give_up_busy "$other"
    fi
    looks=$((looks + 1))
    sleep 1
  done
}
give_up_busy() {
  if [ -z "$1" ]; then
    give_up ${busy} "$own comes and goes: others are at work there"
  fi
  pod=\${1#*.}
  pod=\${pod%.*}
  give_up ${busy} "\${1%%.*} of pod \${pod%.*} (uid \${pod##*.}) has been at work in $own for $(($(date +%s) - \${1##*.})) s"
}
# What tells a data directory from another while no etcd writes to it: its files with their sizes, and how its database begins.
identity_of() {
  if [ ! -e "$1" ]; then
    echo nothing
    return 0
  fi
  {
    find "$1" -type f -exec ls -ln {} + | while read -r _ _ _ _ size _ _ _ name; do
      echo "$size \${name#"$1"}"
    done | sort
    if [ -e "$1/$inner/snap/db" ]; then
      head -c 65536 "$1/$inner/snap/db"
    fi
  } | sha256sum | { read -r hash _; echo "$hash"; }
}
require_identity() {
  if [ -e "$own/identity" ] && [ "$(identity_of "$1")" != "$(cat "$own/identity")" ]; then
    give_up ${refused} "$1 does not hold what lay in $data before the swap"
  fi
}
# A pod may wait for its node long after its restore has ended: then the data are no longer those that it was made for.
require_in_time() {
  if [ -n "\${NOT_AFTER:-}" ] && [ "$(date +%s)" -gt "$NOT_AFTER" ]; then
    give_up ${tooLate} "$0 has come $(($(date +%s) - NOT_AFTER)) s too late, by the clock of its node: nothing was moved"
  fi
}
# etcd holds this lock for as long as it runs; not every helper image can look at it.
require_unused() {
  if command -v flock > /dev/null && [ -e "$data/$inner/snap/db" ] && ! flock -n "$data/$inner/snap/db" true; then
    give_up ${refused} "an etcd still runs on $data"
  fi
}
`;

/**
 * Arguments: those of every script, size in bytes, SHA-256, KiB that must be free, and the kind of standard input: `file`,
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
claim
if is_aside || [ -e "$own/reverted" ]; then
  give_up ${refused} "$own was swapped already; it can't be prepared again"
fi
rm -rf "$own/identity" "$own/member" "$own/prepared" "$own/restored" "$own/snapshot.db"
free=$(df -Pk "\${own%/*}" | tail -n 1 | { read -r _ _ _ free _; echo "$free"; })
if [ "$free" -lt "$6" ]; then
  give_up ${noRoom} "the volume has $free KiB free, $6 KiB are needed beside the live data"
fi
# Nothing is prepared any more that could be swapped: the rest touches nothing but the file that arrives.
release
mkdir -p "$own"
failure=
if [ "$7" = url ]; then
  IFS= read -r url || true
  failure=$(receive_from "$url" "$4")
else
  head -c "$4" > "$own/snapshot.db"
fi
received=$(wc -c < "$own/snapshot.db")
if [ "$received" -ne "$4" ]; then
  give_up ${wrongSnapshot} "$received of $4 bytes arrived, then the stream ended\${failure:+: $failure}"
fi
hash=$(sha256sum < "$own/snapshot.db")
if [ "\${hash%% *}" != "$5" ]; then
  give_up ${wrongSnapshot} "the SHA-256 of what arrived is \${hash%% *}, not $5"
fi
tell "received $received bytes with the announced SHA-256"
`;

/** Arguments: those of every script. Only what it marks may be swapped. */
export const FINISH_SCRIPT = `${PRELUDE}
claim
# Of a data directory that is the volume's root only what etcd makes in it is exchanged.
if [ "$inner" = . ] && [ -d "$own/restored/member" ]; then
  mv "$own/restored/member" "$own/member"
  rm -rf "$own/restored"
  mv "$own/member" "$own/restored"
fi
if [ ! -s "$own/restored/$inner/snap/db" ] || [ ! -d "$own/restored/$inner/wal" ]; then
  give_up ${refused} "$own/restored holds no data of an etcd"
fi
rm -f "$own/snapshot.db"
settle
: > "$own/prepared"
settle
tell "prepared: $(wc -c < "$own/restored/$inner/snap/db") bytes of data in $own/restored"
`;

/** Arguments: those of every script. What is moved aside is noted before, so that the way back can tell it. */
export const SWAP_SCRIPT = `${PRELUDE}
claim
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
  identity_of "$data" > "$own/identity"
  settle
fi
require_in_time
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

/**
 * Arguments: those of every script. From the first mark on no swap of this operation can begin; one that has begun is waited
 * for. It ends well only when the data directory is the one that the swap has moved aside, or none was moved.
 */
export const BACK_SCRIPT = `${PRELUDE}
mkdir -p "$own"
: > "$own/reverted"
settle
claim
if ! is_aside; then
  if [ -e "$own/identity" ] && [ ! -e "$own/restored" ]; then
    give_up ${refused} "what lay in $data before the swap is not in $own any more"
  fi
  tell "nothing to put back: $data is as it was before"
  exit 0
fi
if [ -e "$own/previous" ]; then
  require_identity "$own/previous"
fi
require_in_time
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
require_identity "$data"
tell "put back: $data is as it was before"
`;

/**
 * Arguments: those of every script, and whether a verified recovery point holds what lay there before: `copied`, or
 * `only-copy`, with which it is not removed. Removing takes its time and may be interrupted, so the directory first gets a name
 * under which nobody looks for data.
 */
export const CLEAR_SCRIPT = `${PRELUDE}
claim
if is_aside && { [ -e "$own/restored" ] || [ ! -e "$data" ]; }; then
  give_up ${refused} "the swap of $data is half done; finish it or put the data back before $own is removed"
fi
if [ "$4" != copied ] && [ -e "$own/previous" ]; then
  give_up ${refused} "$own/previous is the only copy of what lay in $data before: no verified recovery point holds it"
fi
rm -rf "$own.cleared"
if [ -e "$own" ]; then
  mv "$own" "$own.cleared"
fi
rm -rf "$own.cleared"
settle
tell "cleared: $own is gone"
`;
