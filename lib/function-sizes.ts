/** Without cluster or snapshot: what counts is a quick start. */
export const SMALL = { memoryMegabytes: 512 } as const;

/** Moves a snapshot through. 1769 MB is one whole CPU (Lambda User Guide, "Configure Lambda function memory"). */
export const STREAMING = { memoryMegabytes: 1769 } as const;

/** Reads a snapshot back as well: it is spooled to a file that is walked at random. */
export const SPOOLING = { ...STREAMING, temporaryMegabytes: 10_240 } as const;
