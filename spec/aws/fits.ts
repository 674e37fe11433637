import type { CellSpec } from "../cells.ts";
import type { MerchantSpec } from "../merchants.ts";
import type { Path, Report } from "../report.ts";
import { describeMeasure, type Measure, measureCell, roomFor, type SizedCell, WARN_FROM } from "./sizing.ts";
import { jobsIn, parseWeekly } from "./windows.ts";

/** What a preview says of a cell whose size is known. */
export interface CellNote {
  readonly level: "info" | "warning";
  readonly text: string;
}

/** Reports each cell that holds more than it has room for. */
export function reportOverfullCells(
  report: Report,
  path: Path,
  cells: readonly CellSpec[],
  merchants: readonly MerchantSpec[],
): void {
  for (const cell of cells) {
    for (const measure of measuresOf(cell, merchants)) {
      if (measure.used <= measure.of) continue;
      report.add([...path, cell.name], undefined, `has not enough room: ${describeMeasure(measure)}`, measure.fix);
    }
  }
}

/** How full a cell is, and what gets close to a limit; nothing for one whose instance class is not known. */
export function notesOn(cell: CellSpec, merchants: readonly MerchantSpec[]): readonly CellNote[] {
  const sized = sizedCell(cell);
  if (sized === undefined) return [];
  const measures = measuresOf(cell, merchants);
  const tight = measures.filter(({ used, of }) => used > of * WARN_FROM);
  const own = merchants.filter((merchant) => merchant.cell === cell.name).length;
  const shares = measures.map(({ what, used, of }) => `${what} ${Math.round((used / of) * 100)} %`).join(", ");
  return [
    {
      level: "info",
      text: `cell ${cell.name} (${sized.instanceClass}): ${own} of about ${roomFor(sized)} merchants; used: ${shares}`,
    },
    ...tight.map((measure) => ({
      level: "warning" as const,
      text: `cell ${cell.name} is nearly full: ${describeMeasure(measure)}. Way out: ${measure.fix}`,
    })),
    ...maintenanceNotes(cell, merchants),
  ];
}

const SHOWN_JOBS = 3;

/** A window that Amazon reboots in should not be one in which the daily jobs are at work. */
function maintenanceNotes(cell: CellSpec, merchants: readonly MerchantSpec[]): readonly CellNote[] {
  if (cell.kind !== "rds") return [];
  const weekly = parseWeekly(cell.maintenanceWindow);
  const jobs = weekly === undefined ? [] : jobsIn(weekly, merchants, cell.name);
  if (jobs.length === 0) return [];
  const shown = jobs.slice(0, SHOWN_JOBS).join(", ");
  const more = jobs.length > SHOWN_JOBS ? ` and ${jobs.length - SHOWN_JOBS} more` : "";
  return [
    {
      level: "warning",
      text:
        `cell ${cell.name}: in its maintenance window ${cell.maintenanceWindow} GMT ${shown}${more} may be at work, and a ` +
        "reboot would end them. Way out: choose another maintenanceWindow",
    },
  ];
}

function measuresOf(cell: CellSpec, merchants: readonly MerchantSpec[]): readonly Measure[] {
  const sized = sizedCell(cell);
  return sized === undefined ? [] : measureCell(sized, merchants);
}

function sizedCell(cell: CellSpec): SizedCell | undefined {
  if (cell.kind === "rds") return cell;
  if (cell.kind !== "adopted" || cell.instanceClass === undefined) return undefined;
  return { ...cell, instanceClass: cell.instanceClass, parameters: {} };
}
