import path from "node:path";
import { type AdoptionTarget, adoptDatabase } from "../../converge/adoption.ts";
import { readAdoptableJobs, removeAdopted } from "../../converge/adoption-jobs.ts";
import type { CellAddress } from "../../converge/address.ts";
import { ConvergeError } from "../../converge/errors.ts";
import { quoteName } from "../../converge/roles.ts";
import { withCronSession } from "../../converge/session.ts";
import { JOBS } from "../../spec/jobs.ts";
import type { MerchantSpec } from "../../spec/merchants.ts";
import { parseStack } from "../../spec/stack.ts";
import { suggest } from "../../spec/suggest.ts";
import { resolveCells } from "./cells.ts";
import { type Deployment, rosterIn } from "./deployment.ts";
import type { StackEngine } from "./engine.ts";
import { RecoverError } from "./errors.ts";
import { lookAtCell } from "./look.ts";
import { MerchantResources } from "./merchant-resources.ts";
import { type Line, planAdoption, type RecoveryPlan } from "./plan.ts";
import { waitForSessions } from "./sessions.ts";

/**
 * Takes over a merchant's database that was made by hand: makes it one that the next `up` goes on from, takes its jobs
 * out of the crontab, and imports it and its owner role into the state. Throws RecoverError, and the ConvergeError that
 * says what a person must do first.
 */
export async function adoptMerchant(engine: StackEngine, id: string, before: Deployment): Promise<RecoveryPlan> {
  const spec = await readMerchant(engine, id);
  const roster = rosterIn(before.resources);
  if (roster === undefined) {
    throw new RecoverError(
      "state",
      "the state has no roster and no cell yet: run up once without this merchant's line, then this again",
    );
  }
  const names = new MerchantResources(roster);
  const known = new Set(before.resources.map(({ urn }) => urn));
  if (known.has(names.urnOf(id, "database"))) return { deployment: before, lines: [] };

  const [address] = (await resolveCells(engine, [spec.cell])).values();
  if (address === undefined) throw new RecoverError("cell", `cell ${spec.cell} has no address`);
  await waitForSessions(address);
  await assertMine(address, spec);
  const owner = { address, merchant: id, database: spec.database, jobRole: spec.jobRole };
  const jobs = await readAdoptableJobs(owner);
  // First the database: a job that were taken away before a refusal would be lost.
  const adopted = await adoptDatabase(targetOf(address, spec, engine));
  const removed = await removeAdopted(owner, jobs);
  const entry = { id, cell: spec.cell, database: spec.database };
  const plan = planAdoption(before, entry, await lookAtCell(address, [entry]));
  const lines = [...adopted, ...removed].map((text): Line => ({ kind: "did", text }));
  return { deployment: plan.deployment, lines: [...lines, ...plan.lines] };
}

function targetOf(address: CellAddress, spec: MerchantSpec, { workingFolder }: StackEngine): AdoptionTarget {
  const { id: merchant, database, ownerRole, appRole, jobRole } = spec;
  return {
    address,
    merchant,
    database,
    set: "merchant",
    root: path.join(workingFolder, "sql"),
    roles: { ownerRole, appRole, jobRole },
    procedures: Object.values(JOBS).map(({ procedure }) => procedure),
  };
}

/** The merchant as the stack file declares it. */
async function readMerchant(engine: StackEngine, id: string): Promise<MerchantSpec> {
  const [cells, merchants] = [await readConfig(engine, "cells"), await readConfig(engine, "merchants")];
  const stack = parseStack({ cells, merchants });
  const found = stack.merchants.find((merchant) => merchant.id === id);
  if (found) return found;
  const near = suggest(
    id,
    stack.merchants.map((merchant) => merchant.id),
  );
  throw new RecoverError(
    "usage",
    `merchant-jobs:merchants has no ${id}: write its line first${near === undefined ? "" : `; or did you mean ${near}?`}`,
  );
}

async function readConfig(engine: StackEngine, key: string): Promise<unknown> {
  return JSON.parse(await engine.run(["config", "get", `merchant-jobs:${key}`])) as unknown;
}

/** Throws `not_adopted` or `missing_right`, each with the statement of a superuser that helps. */
async function assertMine(address: CellAddress, spec: MerchantSpec): Promise<void> {
  const { id, database, ownerRole } = spec;
  const { rows } = await withCronSession(address, (session) =>
    session.query<{ owner: string; superuser: boolean; member: boolean }>(
      `select r.rolname as owner, r.rolsuper as superuser, pg_catalog.pg_has_role(r.oid, 'usage') as member
       from pg_catalog.pg_database as d join pg_catalog.pg_roles as r on r.oid = d.datdba
       where d.datname = $1::text`,
      [database],
    ),
  );
  const found = rows[0];
  const refused = (what: string, code: "not_adopted" | "missing_right" = "not_adopted") =>
    new ConvergeError(code, `merchant ${id} of cell ${address.cell} was not adopted, nothing was changed: ${what}`);
  if (found === undefined) throw refused(`there is no database ${database}; up makes one: there is nothing to adopt`);
  if (found.superuser) {
    throw refused(
      `database ${database} belongs to the superuser ${found.owner}; a superuser can: create role ${quoteName(ownerRole)}; ` +
        `alter database ${quoteName(database)} owner to ${quoteName(ownerRole)}; and give it what is in schema app`,
    );
  }
  if (found.owner !== ownerRole) {
    throw refused(
      `database ${database} belongs to ${found.owner}, and shall belong to ${ownerRole}; a superuser can, if that role ` +
        `owns nothing else: alter role ${quoteName(found.owner)} rename to ${quoteName(ownerRole)};`,
    );
  }
  if (found.member) return;
  throw refused(
    `${address.user} is no member of its owner; a superuser can: grant ${quoteName(ownerRole)} to ${quoteName(address.user)} with admin option;`,
    "missing_right",
  );
}
