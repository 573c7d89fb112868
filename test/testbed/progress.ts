/** Prints one line of progress. */
export type Report = (line: string) => void;

/** A {@link Report} that begins every line with the seconds since now. */
export function createReport(print: (line: string) => void): Report {
  const started = performance.now();
  return (line) => {
    print(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${line}`);
  };
}
