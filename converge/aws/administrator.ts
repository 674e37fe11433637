import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { MASTER_USER } from "../../spec/aws/rds-fields.ts";
import type { CellAddress, PasswordSource } from "../address.ts";
import { ConvergeError } from "../errors.ts";
import { isRefusedLogin } from "../refusals.ts";
import { CRON_DATABASE, withSession } from "../session.ts";
import { type InstanceName, readInstance } from "./instance.ts";
import { iamPassword, secretPassword } from "./passwords.ts";

/** What makes the administrator of an instance, and its sha256. `root` is the folder sql/. */
export function readAdministratorSql(root: string): {
  readonly file: string;
  readonly text: string;
  readonly sha256: string;
} {
  const file = path.join("sql", "server", "administrator-rds.sql");
  const text = readFileSync(path.join(root, "server", "administrator-rds.sql"), "utf8");
  return { file, text, sha256: createHash("sha256").update(text).digest("hex") };
}

/**
 * Makes pg_cron and the administrator, as the master user, whose password RDS keeps in a secret: nobody else can, and it is
 * used for nothing else. Can be run again at any time. Throws `no_credential`, `not_connected`.
 */
export async function makeAdministrator(address: CellAddress, name: InstanceName, sql: string): Promise<void> {
  const { masterSecret } = await readInstance(name);
  if (masterSecret === undefined) {
    throw new ConvergeError(
      "no_credential",
      `cell ${name.cell}: RDS does not keep the password of the master user of ${name.identifier}: ` +
        `aws rds modify-db-instance --region ${name.region} --db-instance-identifier ${name.identifier} ` +
        "--manage-master-user-password --apply-immediately",
    );
  }
  const login = { ...address, cell: name.cell, region: name.region, user: MASTER_USER };
  const asMaster = (password: PasswordSource) =>
    withSession({ ...address, user: MASTER_USER, password }, CRON_DATABASE, async (session) => {
      await session.query("select pg_catalog.set_config('merchant_jobs.admin', $1, false)", [address.user]);
      await session.query(sql);
    });
  try {
    await asMaster(secretPassword(login, masterSecret));
  } catch (error) {
    // From PostgreSQL 16 on who makes a role is a member of it: the master user is then one of rds_iam, by the
    // administrator that it has made, and RDS takes no password of such a one any more.
    if (!(error instanceof ConvergeError) || !isRefusedLogin(error.cause)) throw error;
    await asMaster(iamPassword(login));
  }
}
