import { z } from "zod";
import type { Path, Report } from "./report.ts";
import { suggest } from "./suggest.ts";

/** The wave of all merchants that no other wave names. */
const REST = "rest";

const EXAMPLE = "{waves: [[acme], [bluebird, coral], rest]}";
const WAVE = "must be a list of merchants, or rest";

/** The settings of the rollout. */
export const ROLLOUT_FIELDS = {
  waves: {
    about:
      "lists of merchants, the first one first: the jobs of a wave run once, and must go well, before the next wave is " +
      "touched; `rest` is who is in no list ([rollout](rollout.md))",
    default: "all at once",
    schema: z.array(z.unknown()).min(1),
    rule: "must be a list of at least one wave",
    fix: `write it as ${EXAMPLE}, or take merchant-jobs:rollout out: then all merchants are changed at once`,
  },
} as const;

/**
 * Reads in which waves merchants are changed: the ids of all merchants by wave. `rest` is who is named in no wave; left
 * out, it is the last one. Undefined when there are no waves. `ids` are the merchants as they were written.
 */
export function parseRollout(
  report: Report,
  path: Path,
  raw: unknown,
  ids: readonly string[],
): readonly (readonly string[])[] | undefined {
  if (raw === undefined) return undefined;
  const written = report.readFields(path, raw, ROLLOUT_FIELDS, EXAMPLE)?.waves;
  if (written === undefined) return undefined;
  const reader = new WaveReader(report, [...path, "waves"], ids);
  const waves = written.map((wave, index) => reader.read(wave, index));
  return waves.includes(REST) ? reader.resolve(waves) : reader.resolve([...waves, REST]);
}

type Wave = readonly string[] | typeof REST;

class WaveReader {
  readonly #report: Report;
  readonly #path: Path;
  readonly #ids: readonly string[];
  /** In which wave each id is, from 1. */
  readonly #seen = new Map<string, number>();
  #rest: number | undefined;

  constructor(report: Report, path: Path, ids: readonly string[]) {
    this.#report = report;
    this.#path = path;
    this.#ids = ids;
  }

  read(raw: unknown, index: number): Wave {
    const path: Path = [...this.#path, index];
    if (raw === REST) return this.#readRest(path, index + 1);
    if (!Array.isArray(raw)) {
      this.#report.add(path, raw, WAVE, this.#fixOf(raw));
    } else if (raw.length === 0) {
      this.#report.add(path, raw, "is empty: a wave has at least one merchant", "name one, or take the wave out");
    } else {
      return raw.filter((id: unknown, place) => this.#isMember([...path, place], id, index + 1)) as string[];
    }
    return [];
  }

  /** Without waves that have nobody in them: there may be no one left for `rest`. */
  resolve(waves: readonly Wave[]): readonly (readonly string[])[] {
    const rest = this.#ids.filter((id) => !this.#seen.has(id)).sort();
    return waves.map((wave) => (wave === REST ? rest : wave)).filter(({ length }) => length > 0);
  }

  #readRest(path: Path, wave: number): Wave {
    if (this.#rest !== undefined) {
      this.#report.add(path, REST, `is wave ${this.#rest} already`, "take one of the two out");
      return [];
    }
    this.#rest = wave;
    return REST;
  }

  #isMember(path: Path, id: unknown, wave: number): boolean {
    if (typeof id !== "string") {
      this.#report.add(path, id, "must be the id of a merchant, as text", "write it as in merchant-jobs:merchants");
      return false;
    }
    const before = this.#seen.get(id);
    if (before !== undefined) {
      this.#report.add(path, id, `is in wave ${before} already`, "take one of the two out");
      return false;
    }
    this.#seen.set(id, wave);
    if (this.#ids.includes(id)) return true;
    // Without any merchant the missing merchants are the problem, and not each wave that names one.
    if (this.#ids.length > 0) this.#reportUnknown(path, id);
    return false;
  }

  #reportUnknown(path: Path, id: string): void {
    const near = suggest(id, this.#ids);
    const fix =
      id === REST
        ? "write rest as a wave of its own, without brackets"
        : near === undefined
          ? "write an id from merchant-jobs:merchants, or take it out"
          : `did you mean ${near}?`;
    this.#report.add(path, id, "is not a merchant of merchant-jobs:merchants", fix);
  }

  #fixOf(raw: unknown): string {
    if (typeof raw === "string" && this.#ids.includes(raw)) return `write it as [${raw}]`;
    if (typeof raw === "string" && suggest(raw, [REST]) !== undefined) return `did you mean ${REST}?`;
    return "write it as [acme, bluebird], or as rest";
  }
}
