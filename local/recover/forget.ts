import type { CellAddress } from "../../converge/address.ts";
import { assertCanLook, readCronRows } from "../../converge/cron-server.ts";
import { readRegistry } from "../../converge/registry.ts";
import { withCronSession } from "../../converge/session.ts";
import { cronJobName } from "../../spec/names.ts";
import { suggest } from "../../spec/suggest.ts";
import { type Deployment, type Resource, rosterIn } from "./deployment.ts";
import { RecoverError } from "./errors.ts";
import { type RosterEntry, rolesOf } from "./judge.ts";
import { MerchantResources } from "./merchant-resources.ts";
import type { CellFacts } from "./server-facts.ts";

/** The merchant in the roster of the state. Throws `usage` when the roster does not have it. */
export function rosterEntry({ resources }: Deployment, id: string): RosterEntry {
  const merchants = rosterIn(resources)?.merchants ?? {};
  const found = Object.hasOwn(merchants, id) ? merchants[id] : undefined;
  if (found) return { id, cell: found.cell, database: found.database };
  const near = suggest(id, Object.keys(merchants));
  throw new RecoverError(
    "usage",
    `the roster of the state has no merchant ${id}${near === undefined ? "" : `; did you mean ${near}?`}`,
  );
}

/** What of a merchant is on its cell, besides roles and databases: its cron jobs and its row of the registry. */
export async function lookForTraces(address: CellAddress, entry: RosterEntry): Promise<readonly string[]> {
  return withCronSession(address, async (session) => {
    const there = await session.query<{ cron: boolean; registry: boolean }>(
      `select exists (select from pg_catalog.pg_extension as e where e.extname = 'pg_cron') as cron,
         pg_catalog.to_regclass('merchant_jobs.merchants') is not null as registry`,
    );
    const traces: string[] = [];
    if (there.rows[0]?.cron === true) {
      await assertCanLook(session, address);
      const of = { database: entry.database, jobRole: rolesOf(entry).jobRole, namePrefix: cronJobName(entry.id, "") };
      const rows = await readCronRows(session, address, of);
      traces.push(...rows.map(({ jobid, jobname }) => `cron job #${jobid} (${jobname ?? "without a name"})`));
    }
    if (there.rows[0]?.registry === true && (await readRegistry(session, entry.id)) !== undefined) {
      traces.push("its row in merchant_jobs.merchants of database cron");
    }
    return traces;
  });
}

/** Everything of a merchant that is on its cell, for a person to read. */
export function existing(entry: RosterEntry, cell: CellFacts, traces: readonly string[]): readonly string[] {
  return [
    ...(cell.databases.has(entry.database) ? [`database ${entry.database}`] : []),
    ...(Object.values(rolesOf(entry)) as string[]).filter((role) => cell.roles.has(role)).map((role) => `role ${role}`),
    ...traces,
  ];
}

/** Takes a merchant out of the roster, and all that is its own out of the state. */
export function planForget(before: Deployment, id: string): Deployment {
  const roster = rosterIn(before.resources);
  if (roster === undefined) return before;
  const names = new MerchantResources(roster);
  const isOther = (resource: Resource) => !names.belongsTo(id, resource);
  return {
    resources: before.resources
      .filter(isOther)
      .map((resource) => (resource.urn === roster.resource.urn ? withoutMerchant(resource, id) : resource)),
    pending: before.pending.filter(({ resource }) => isOther(resource)),
  };
}

function withoutMerchant(roster: Resource, id: string): Resource {
  const { inputs, outputs } = roster;
  return {
    ...roster,
    ...(inputs && { inputs: withoutEntry(inputs, id) }),
    ...(outputs && { outputs: withoutEntry(outputs, id) }),
  };
}

function withoutEntry(props: Readonly<Record<string, unknown>>, id: string): Record<string, unknown> {
  const merchants = (props["merchants"] ?? {}) as Readonly<Record<string, unknown>>;
  return { ...props, merchants: Object.fromEntries(Object.entries(merchants).filter(([merchant]) => merchant !== id)) };
}
