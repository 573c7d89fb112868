/** Why a right is granted that the run has not used, by a pattern of lines `<role> <action> <resource>`. */
export const REASONS: Readonly<Record<string, string>> = {};
