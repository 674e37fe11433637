// A cell at work is no drift: jobs run, the ledger is written, and the application migrates what is its own.
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readAccess } from "../../../converge/access.ts";
import { readCrontab } from "../../../converge/crontab.ts";
import { readMigrations } from "../../../converge/migrations.ts";
import type { Hashes } from "../../../converge/sql-files.ts";
import { readProbe } from "../../../converge/probe.ts";
import { workIn } from "../../drift/at-work.ts";
import { filesOf, onboard, prepareCell, specOf, sqlRoot, testCell } from "../../merchants.ts";
import { type OwnServer, startOwnServer } from "../../server.ts";

const MERCHANTS = 20;
const LOOKS = 20;
/** How many merchants at once. */
const AT_ONCE = 4;

type Targets = Awaited<ReturnType<typeof onboard>>;

let own: OwnServer;
let cell: readonly Targets[];
let files: Hashes;

// Its probe looks at the whole cell, which nobody else may disturb meanwhile.
beforeAll(async () => {
  own = await startOwnServer({ settings: {} });
  await prepareCell(testCell(own.server));
  const specs = Array.from({ length: MERCHANTS }, (_, i) =>
    specOf(`shop${i}`, { jobs: { ops_cleanup: { schedule: "* * * * *" } } }),
  );
  cell = await atOnce(specs, (spec) => onboard(spec, sqlRoot, own.server));
  files = filesOf({ root: sqlRoot, set: "merchant", address: testCell() });
});
afterAll(() => own.remove());

async function atOnce<T, R>(all: readonly T[], work: (one: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = [];
  const left = [...all.entries()];
  const worker = async () => {
    for (let next = left.shift(); next; next = left.shift()) results[next[0]] = await work(next[1]);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

/** Everything that a refresh reads of a merchant. */
async function stateOf({ access, migrations, crontab }: Targets) {
  return {
    access: await readAccess(access),
    migrations: await readMigrations(migrations),
    crontab: await readCrontab(crontab),
  };
}

/** Whether everything that a refresh reads of a merchant is as it is declared. */
function isClean({ crontab: declared }: Targets, { access, migrations, crontab }: Awaited<ReturnType<typeof stateOf>>) {
  const { engineJobs, suspended } = declared;
  const jobs = Object.fromEntries(
    Object.entries(declared.jobs).map(([name, { schedule, command, active }]) => [name, { schedule, command, active }]),
  );
  return (
    isDeepStrictEqual(access, {}) &&
    isDeepStrictEqual(migrations?.differs, {}) &&
    isDeepStrictEqual({ ...migrations?.migrations, ...migrations?.routines }, files) &&
    isDeepStrictEqual(crontab, { registered: true, suspended, scheduler: "pg_cron", jobs, engineJobs })
  );
}

test("twenty merchants with running jobs and an application that migrates its own tables show nothing in twenty looks", async () => {
  const busy = workIn(
    cell.slice(0, AT_ONCE).map(({ migrations }) => migrations.database),
    own.server,
  );
  const wrong: object[] = [];
  let rounds = 0;
  try {
    for (let look = 0; look < LOOKS; look += 1) {
      const found = await readProbe(testCell(own.server));
      if (Object.keys(found).length > 0) wrong.push({ look, found });
      // Those where something is going on every time, the others in turn; test/long looks at all of them.
      const looked = cell.filter((_targets, i) => i < AT_ONCE || i % 5 === look % 5);
      const states = await atOnce(looked, stateOf);
      for (const [i, state] of states.entries()) if (!isClean(looked[i]!, state)) wrong.push({ look, ...state });
    }
  } finally {
    rounds = await busy.stop();
  }
  expect(wrong).toEqual([]);
  expect(rounds).toBeGreaterThanOrEqual(AT_ONCE);
});
