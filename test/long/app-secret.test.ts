// The secret that an application logs in with: Secrets Manager is a stand-in (moto), PostgreSQL is real.
import { randomBytes } from "node:crypto";
import type pg from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { applyAccess } from "../../converge/access.ts";
import { type AppSecretTarget, applyAppSecret, readAppSecret, retireAppSecret } from "../../converge/aws/app-secret.ts";
import { ConvergeError } from "../../converge/errors.ts";
import { makeUser, withAuthorization } from "../aws/iam.ts";
import { type Moto, setEnvironment, startMoto } from "../aws/moto.ts";
import { REGION } from "../aws/rds-api.ts";
import { type TestSecret, testSecret } from "../aws/secrets.ts";
import { named } from "../drift/kinds.ts";
import { secretKinds } from "../drift/secret-kinds.ts";
import { prepareCell, specOf, targetsOf, testCell } from "../merchants.ts";
import { connectAs, dropMerchantLeftovers, freshName, superuserClient, testServer, waitFor } from "../server.ts";

const KEY = "arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d";
const spec = specOf(freshName("withsecret"));
const { address, access } = { address: testCell(), access: targetsOf(spec).access };
let moto: Moto;
let restoreEnvironment: () => void;
let superuser: pg.Client;
let secret: TestSecret;

const targetIn = (region: string): AppSecretTarget => ({
  address,
  merchant: spec.id,
  database: spec.database,
  appRole: spec.appRole,
  secret: { region, name: `merchant-jobs/eu-1/${spec.id}/app`, kmsKeyId: KEY },
});
const target = targetIn(REGION);
const key = `secret ${target.secret.name}`;

beforeAll(async () => {
  moto = await startMoto();
  restoreEnvironment = setEnvironment(moto.env);
  superuser = await superuserClient("postgres");
  secret = testSecret(REGION, target.secret.name);
  await prepareCell();
  await superuser.query(`create role ${spec.ownerRole}`);
  await superuser.query(`grant ${spec.ownerRole} to ${testServer().admin} with admin option`);
}, 600_000);
afterAll(async () => {
  await superuser.end();
  await dropMerchantLeftovers(spec.database);
  restoreEnvironment();
  await moto.stop();
});
beforeEach(async () => {
  await applyAccess(access);
  await applyAppSecret(target);
});

const look = () => readAppSecret(target, { asking: true });
const statement = (text: string) => superuser.query(named(text, spec)).then(() => undefined);

/** Logs in as the application does, with what its secret says. */
async function logIn(): Promise<void> {
  const { username, password } = await secret.fields();
  await (await connectAs({ user: String(username), password }, "postgres")).end();
}

async function failureOf(work: Promise<unknown>): Promise<ConvergeError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConvergeError)) throw new Error(`no ConvergeError, but ${String(error)}`);
  return error;
}

test("the first apply makes it in the form of RDS's own secrets, before there is a database, and the role logs in by it", async () => {
  const { host, port } = testServer();
  expect(await secret.fields()).toEqual({
    engine: "postgres",
    host,
    port,
    dbname: spec.database,
    username: spec.appRole,
    password: expect.stringMatching(/^[\w-]{32}$/) as string,
  });
  expect(await secret.describe()).toMatchObject({
    kmsKeyId: KEY,
    tags: { "merchant-jobs:cell": "home", "merchant-jobs:merchant": spec.id },
  });
  await logIn();
  expect(await look()).toEqual({});
  expect(await applyAppSecret(target)).toEqual([]);
});

test.for(secretKinds)("$kind: shows, and up --refresh does what drift.md says", async (kind) => {
  const before = await secret.fields();
  await kind.by({ secret, sql: statement });
  expect(await look()).toEqual({ [key]: named(kind.shows, spec) });
  if (kind.refused !== undefined) {
    const error = await failureOf(applyAppSecret(target));
    expect(error.code).toBe("name_taken");
    expect(error.message).toContain(kind.refused);
    expect(await secret.fields()).toEqual(before);
    // What the reason says.
    expect(error.message).toContain(`--tags Key=merchant-jobs:merchant,Value=${spec.id}`);
    await secret.tag("merchant-jobs:merchant", spec.id);
  } else {
    expect(await applyAppSecret(target)).not.toEqual([]);
    const { password } = await secret.fields();
    expect(password === before.password).toBe(kind.keeps);
  }
  await logIn();
  expect(await look()).toEqual({});
  expect(await applyAppSecret(target)).toEqual([]);
});

describe("is no difference, and is left alone:", () => {
  test("a newer value that the server takes, with what somebody has added to it", async () => {
    const password = randomBytes(12).toString("hex");
    await statement(`alter role $app password '${password}'`);
    await secret.change({ password, port: String(testServer().port), masterarn: "arn:aws:secretsmanager:…" });
    expect(await look()).toEqual({});
    expect(await applyAppSecret(target)).toEqual([]);
    expect(await secret.fields()).toMatchObject({ password, masterarn: "arn:aws:secretsmanager:…" });
  });

  test("a rotation, at each of its steps", async () => {
    const leftAlone = async () => {
      expect(await look()).toEqual({});
      expect(await applyAppSecret(target)).toEqual([]);
    };
    const password = randomBytes(12).toString("hex");
    const version = await secret.write(JSON.stringify({ ...(await secret.fields()), password }), "AWSPENDING");
    await leftAlone();
    await statement(`alter role $app password '${password}'`);
    await leftAlone();
    // One that does not end has failed, and the application stays outside.
    const now = new Date(Date.now() + 2 * 3_600_000);
    expect(await readAppSecret(target, { asking: true, now })).toEqual({
      [key]: "its password is refused by the server",
    });
    await secret.finish(version);
    await leftAlone();
    expect(await secret.fields()).toMatchObject({ password });
    await logIn();
    // After a label was moved, moto takes it from no version that has it.
    await secret.delete("now");
  });

  test("a role that may not log in: that is a difference of the role, and nobody tries its password", async () => {
    await statement("alter role $app nologin");
    expect(await readAppSecret(target, { asking: false })).toEqual({});
  });
});

test("a value that somebody writes becomes the role's password; one of other characters is replaced by a new one", async () => {
  await secret.change({ password: 'of "somebody", with blanks' });
  expect(await look()).toEqual({ [key]: "its password is refused by the server" });
  expect(await applyAppSecret(target)).toEqual(["let in"]);
  await logIn();
  await secret.change({ password: "gültig" });
  expect(await applyAppSecret(target)).toEqual(["write new", "let in"]);
  await logIn();
});

test("an apply that is stopped between the secret and the server leaves what the next one finishes, with the same password", async () => {
  await secret.delete("now");
  const holder = await superuserClient("postgres");
  try {
    // Holds the role's row, which the change of its password waits for.
    await holder.query("begin");
    await holder.query(`alter role ${spec.appRole} connection limit -1`);
    const stopped = failureOf(applyAppSecret(target)).catch((error: unknown) => error);
    await waitFor(() => secret.describe(), { what: "the secret to be there" });
    const ended = await waitFor(
      async () => {
        const { rows } = await superuser.query(
          `select pg_terminate_backend(pid) from pg_stat_activity
           where application_name = 'merchant-jobs converge' and query like 'do %merchant_jobs.verifier%' and wait_event_type = 'Lock'`,
        );
        return rows.length > 0;
      },
      { what: "the password to wait for the role" },
    );
    expect(ended).toBe(true);
    expect(await stopped).toBeInstanceOf(Error);
  } finally {
    await holder.query("rollback");
    await holder.end();
  }
  const { password } = await secret.fields();
  await expect(logIn()).rejects.toMatchObject({ code: "28P01" });
  expect(await look()).toEqual({ [key]: "its password is refused by the server" });
  expect(await applyAppSecret(target)).toEqual(["let in"]);
  expect(await secret.fields()).toMatchObject({ password });
  expect(await secret.describe()).toMatchObject({ versions: 1 });
  await logIn();
});

test("a merchant that left and comes back finds its secret again, with another password", async () => {
  const before = await secret.fields();
  await retireAppSecret(target);
  expect(await secret.describe()).toMatchObject({ leaving: true });
  await retireAppSecret(target);
  expect(await applyAppSecret(target)).toEqual(["restore", "write new", "let in"]);
  expect((await secret.fields()).password).not.toBe(before.password);
  await logIn();
});

test("a secret that is somebody else's is not deleted with the merchant, and one that is gone is no error", async () => {
  await secret.tag("merchant-jobs:merchant", "somebody");
  await retireAppSecret(target);
  expect(await secret.describe()).toMatchObject({ leaving: false });
  await secret.delete("now");
  await retireAppSecret(target);
});

test("an administrator who may not give passwords is told what is missing", async () => {
  const user = freshName("weak");
  await superuser.query(`create role ${user} login password 'weak'`);
  const cron = await superuserClient("cron");
  await cron.query(`grant connect on database cron to ${user}`);
  try {
    await statement("alter role $app password null");
    const error = await failureOf(applyAppSecret({ ...target, address: { ...address, user, password: "weak" } }));
    expect(error.code).toBe("missing_right");
    expect(error.message).toContain(`grant rds_password to "${user}"`);
  } finally {
    await cron.query(`revoke connect on database cron from ${user}`);
    await cron.end();
    await superuser.query(`drop role ${user}`);
  }
});

test("the rights that README.md names are enough for all of it, and one that is missing is named", async () => {
  const actions = [
    ..."CreateSecret DeleteSecret DescribeSecret GetSecretValue PutSecretValue RestoreSecret TagResource UpdateSecret".split(
      " ",
    ),
  ].map((action) => `secretsmanager:${action}`);
  const allow = (Action: readonly string[]) => [{ Effect: "Allow", Action, Resource: "*" }];
  const all = await makeUser(moto, "all", allow(actions));
  const reader = await makeUser(moto, "reader", allow(actions.filter((action) => !action.endsWith("CreateSecret"))));
  // A client keeps the credentials that it was made with: each has a region of its own.
  await withAuthorization(moto, async () => {
    const undo = setEnvironment(all);
    const mine = targetIn("eu-west-1");
    expect(await applyAppSecret(mine)).toEqual(["create", "let in"]);
    const other = { ...mine, secret: { ...mine.secret, kmsKeyId: `${KEY}ff` } };
    expect(await applyAppSecret(other)).toEqual(["encrypt"]);
    await retireAppSecret(other);
    expect(await applyAppSecret(other)).toEqual(["restore", "write new", "let in"]);
    undo();
  });
  await withAuthorization(moto, async () => {
    const undo = setEnvironment(reader);
    const error = await failureOf(applyAppSecret(targetIn("eu-west-2")));
    // moto says in XML that it refuses, which a service of JSON does not: so the code is not AWS's.
    expect(error.message).toContain(`secretsmanager:CreateSecret of ${target.secret.name} failed`);
    undo();
  });
});

test("neither a password nor a verifier is in what the server keeps of statements", async () => {
  const { rows } = await superuser.query<{ query: string }>("select query from pg_stat_statements");
  const queries = rows.map(({ query }) => query);
  expect(queries.some((query) => query.includes("merchant_jobs.verifier"))).toBe(true);
  const { password } = await secret.fields();
  expect(queries.filter((query) => query.includes(password))).toEqual([]);
  expect(queries.filter((query) => query.includes(spec.appRole) && query.includes("SCRAM-SHA-256$"))).toEqual([]);
});
