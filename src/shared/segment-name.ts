/** Names of journal segments: `{run}-{writer}-{number}.journal`. A higher number of the same writer means the lower ones are finished. */

export interface SegmentName {
  /** The run of the process. */
  readonly run: string;
  /** The thread within the run (`WorkerStart.owner`). */
  readonly writer: number;
  readonly number: number;
}

export function segmentFile(name: SegmentName): string {
  return `${name.run}-${name.writer}-${String(name.number).padStart(6, "0")}.journal`;
}

/** null when the file is no segment. */
export function parseSegmentFile(file: string): SegmentName | null {
  const match = /^([0-9a-z]+)-(\d+)-(\d+)\.journal$/.exec(file);
  if (match === null) return null;
  const [, run = "", writer, number] = match;
  return { run, writer: Number(writer), number: Number(number) };
}
