/**
 * Has a POSIX shell, the usual commands, and curl. By its tag: which digest the tag stands for can be told by its registry alone,
 * and a guess that is wrong would stop every restore.
 */
export const HELPER_IMAGE = 'curlimages/curl:8.17.0';

/** What a person should know of the image that gets all of etcd's data to see, a sentence each. */
export function warningsOfHelperImage(image: string): string[] {
  if (/@sha256:[0-9a-f]{64}$/.test(image)) return [];
  return [
    `the helper image ${image} is named by a tag, under which another image may be served tomorrow; it gets to see all of etcd's data: set restore.helperImage to <image>@sha256:<digest>, best of a mirror of your own`,
  ];
}
