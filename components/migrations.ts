import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { hashesOf, readSqlFiles, type SqlSet } from "../converge/sql-files.ts";
import type { MigrationsInputs } from "./providers/migrations.ts";
import { providerStub } from "./stub.ts";

/** Migrations, routines and rights of one database: the files of a set by their hashes (`hashesOf`). */
export class Migrations extends pulumi.dynamic.Resource {
  constructor(
    name: string,
    inputs: Pick<MigrationsInputs, "cell" | "database" | "set">,
    options: pulumi.CustomResourceOptions,
  ) {
    const all: MigrationsInputs = { ...inputs, ...setHashes(inputs.set), differs: {} };
    super(providerStub("migrations"), name, all, options, "merchant-jobs", "Migrations");
  }
}

const known = new Map<SqlSet, ReturnType<typeof hashesOf>>();

/** The files of a set by their hashes. They are the same for every merchant: read once. */
export function setHashes(set: SqlSet): ReturnType<typeof hashesOf> {
  const found = known.get(set) ?? hashesOf(readSqlFiles(path.join(import.meta.dirname, "..", "sql"), set));
  known.set(set, found);
  return found;
}
