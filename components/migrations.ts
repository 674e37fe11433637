import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { filesFor, hashesOf, readSqlFiles, type SqlSet } from "../converge/sql-files.ts";
import type { Scheduler } from "../spec/cells.ts";
import type { MigrationsInputs } from "./providers/migrations.ts";
import { providerStub } from "./stub.ts";

/** Migrations, routines and rights of one database: the files of a set by their hashes (`hashesOf`). */
export class Migrations extends pulumi.dynamic.Resource {
  constructor(
    name: string,
    inputs: Pick<MigrationsInputs, "cell" | "database" | "set" | "scheduler">,
    options: pulumi.CustomResourceOptions,
  ) {
    const all: MigrationsInputs = { ...inputs, ...setHashes(inputs.set, inputs.scheduler), differs: {} };
    super(providerStub("migrations"), name, all, options, "merchant-jobs", "Migrations");
  }
}

const known = new Map<string, ReturnType<typeof hashesOf>>();

/** The files of a set by their hashes. They are the same for every merchant: read once. */
export function setHashes(set: SqlSet, scheduler: Scheduler = "pg_cron"): ReturnType<typeof hashesOf> {
  const key = `${set} ${scheduler}`;
  const all = () => readSqlFiles(path.join(import.meta.dirname, "..", "sql"), set);
  const found = known.get(key) ?? hashesOf(filesFor(all(), scheduler));
  known.set(key, found);
  return found;
}
