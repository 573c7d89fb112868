/** What an account on a management cluster may be for: restoring needs rights to write, backing up has none. */
export const PURPOSES = ['backup', 'restore'] as const;
export type Purpose = (typeof PURPOSES)[number];
