import { z } from "zod";
import type { Path, Report } from "./report.ts";
import { isS3Address, parseS3Address } from "./s3-address.ts";

/** How far a merchant's offboarding shall go: its data exported, or exported before and now dropped. */
export type OffboardPhase = "export" | "drop";

/** A merchant that is leaving, as the stack declares it. */
export interface OffboardSpec {
  readonly phase: OffboardPhase;
  /** What gets the export: a folder, absolute or relative to the project; or a place in S3, `s3://bucket/prefix`. */
  readonly export: string;
  /** Minutes that waiting for runs, and the export with its verification, may take together. Default 60. */
  readonly timeLimitMinutes: number;
}

const DEFAULT_MINUTES = 60;
const MOST_MINUTES = 24 * 60;
const MOST_CHARACTERS = 500;

const EXAMPLE = "{export: exports}";

/** The settings of a merchant that leaves. */
export const OFFBOARD_FIELDS = {
  export: {
    about: "where its database is exported to: a folder, or `s3://bucket/prefix`",
    schema: z.string(),
    rule: "must be the path of a folder, or an address of S3, as text",
    fix: "write a folder that outlives the machine that runs `up`, absolute or relative to the project, or s3://bucket/prefix",
    required: true,
  },
  timeLimitMinutes: {
    about: "what waiting for runs, the export and its verification may take together",
    default: String(DEFAULT_MINUTES),
    schema: z.int().min(1).max(MOST_MINUTES),
    rule: `must be a whole number of minutes from 1 to ${MOST_MINUTES}`,
    fix: `write the number without quotes, or leave it out for ${DEFAULT_MINUTES}`,
  },
  drop: {
    about: "`true`, in an `up` after the export: its database is deleted",
    default: "false",
    schema: z.boolean(),
    rule: "must be true or false",
    fix: "write true or false, without quotes",
  },
  confirm: {
    about: "the merchant's id again; needed with `drop: true`, and only there",
    default: "none",
    schema: z.string(),
    rule: "must be the merchant's id",
    fix: "write it without anything around it",
  },
} as const;

/** Reads how a merchant leaves; undefined when it stays, or when what is written is wrong. */
export function parseOffboard(report: Report, path: Path, id: string, raw: unknown): OffboardSpec | undefined {
  if (raw === undefined) return undefined;
  const fields = report.readFields(path, raw, OFFBOARD_FIELDS, EXAMPLE);
  if (fields === undefined) return undefined;
  const { export: place, timeLimitMinutes = DEFAULT_MINUTES, drop = false, confirm } = fields;
  if (place !== undefined) checkPlace(report, [...path, "export"], place);
  const at: Path = [...path, "confirm"];
  const fix = `write confirm: ${id}; its database is deleted then, and the export is what is left`;
  if (drop && confirm === undefined) report.add(at, undefined, "is missing: drop: true needs it", fix);
  else if (drop && confirm !== id) report.add(at, confirm, `must be ${id}, the id of the merchant to drop`, fix);
  else if (!drop && confirm !== undefined) {
    report.add(at, confirm, "says nothing without drop: true", "take it out until the export is done");
  }
  if (place === undefined) return undefined;
  return { phase: drop ? "drop" : "export", export: place, timeLimitMinutes };
}

function checkPlace(report: Report, path: Path, place: string): void {
  if (isS3Address(place)) {
    const parsed = parseS3Address(place);
    if ("problem" in parsed) report.add(path, place, parsed.problem, S3_FIX);
    return;
  }
  const problem = folderProblem(place);
  if (problem !== undefined) report.add(path, place, problem, OFFBOARD_FIELDS.export.fix);
}

const S3_FIX = "write s3:// with the name of a bucket that is there, and a prefix, such as s3://our-exports/merchants";

/** No word of a path may lead out of the folder that it seems to name, or be taken for something else by a shell. */
function folderProblem(folder: string): string | undefined {
  if (folder === "" || Array.from(folder).length > MOST_CHARACTERS)
    return `must have 1 to ${MOST_CHARACTERS} characters`;
  if (/\p{Cc}/u.test(folder)) return "must have no control characters";
  if (folder.trim() !== folder) return "must not begin or end with a blank";
  if (/^[a-z][a-z0-9+.-]*:/i.test(folder)) return "must be a path, or an address of S3";
  if (folder.split(/[/\\]/).includes("..")) return "must not go up (..)";
  if (folder.startsWith("~")) return "must not begin with ~: no shell reads it";
  return undefined;
}
