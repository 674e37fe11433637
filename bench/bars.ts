/** A limit that a bench promises to keep. */
export interface Bar {
  readonly name: string;
  readonly figure: number;
  readonly limit: number;
}

/** Prints a line for each bar, `bar <name>: <figure> <= <limit> ok|MISSED`, and gives the exit status: 1 when one is missed. */
export function judge(bars: readonly Bar[]): number {
  for (const bar of bars) console.log(lineOf(bar));
  return bars.every(isKept) ? 0 : 1;
}

/** The figure is judged as measured, not as printed. */
function isKept({ figure, limit }: Bar): boolean {
  // A figure that is no number keeps no limit.
  return figure <= limit;
}

function lineOf(bar: Bar): string {
  return `bar ${bar.name}: ${bar.figure.toFixed(3)} <= ${bar.limit} ${isKept(bar) ? "ok" : "MISSED"}`;
}
