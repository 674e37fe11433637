import { randomBytes } from "node:crypto";
import type { AppSecret } from "../../spec/aws/app-login.ts";
import type { CellAddress } from "../address.ts";
import { ConvergeError, codeOf, SQLSTATE } from "../errors.ts";
import { isRefusedLogin } from "../refusals.ts";
import { quoteName } from "../roles.ts";
import { scramVerifier } from "../scram.ts";
import { lockInTransaction, withCronSession, withSession, withTransaction } from "../session.ts";
import {
  describeSecret,
  isOurs,
  MERCHANT_TAG,
  parseValue,
  planAppSecret,
  type SecretFacts,
  type SecretStep,
  type SecretTarget,
  type SecretValue,
  wantedFields,
} from "./app-secret-plan.ts";
import { awsErrorName, awsFailure, secretsClient } from "./clients.ts";

/** The longest that Secrets Manager keeps a secret that is deleted: until then it can be restored. */
const RECOVERY_DAYS = 30;
/** Milliseconds. A rotation takes seconds; one that has not ended after this has failed, and its version stays pending. */
const ROTATION_TIME = 60 * 60_000;
/** Every server has this database, and every role may come into it unless somebody has said otherwise. */
const ANY_DATABASE = "postgres";

/** Even the verifier is in no statement that the server's log or pg_stat_statements keeps: it comes as a parameter. */
const SET_PASSWORD = `do $$
begin
  execute pg_catalog.format('alter role %I password %L valid until ''infinity''',
    pg_catalog.current_setting('merchant_jobs.role'), pg_catalog.current_setting('merchant_jobs.verifier'));
end
$$`;

/** The secret of a merchant's application, and where the merchant is. */
export interface AppSecretTarget {
  readonly address: CellAddress;
  readonly merchant: string;
  readonly database: string;
  readonly appRole: string;
  readonly secret: AppSecret;
}

/**
 * What differs, as Access tells it: nothing, or one line about the secret. A newer value that the server takes is no
 * difference, nor is a rotation that is under way. Without `asking` the server is not asked whether it lets the role in. Throws
 * `no_credential`, `cannot_look`, `not_connected`.
 */
export async function readAppSecret(
  target: AppSecretTarget,
  { asking, now = new Date() }: { readonly asking: boolean; readonly now?: Date },
): Promise<Readonly<Record<string, string>>> {
  const wanted = wantedOf(target);
  const found = await readFacts(target, asking, now);
  const key = `secret ${target.secret.name}`;
  if (!isOurs(wanted, found)) return { [key]: `not of merchant ${target.merchant} by its tag ${MERCHANT_TAG}` };
  const steps = planAppSecret(wanted, found);
  return steps.length === 0 ? {} : { [key]: describeSecret(wanted, found, steps) };
}

/**
 * Makes the secret, and the password of the role, what they shall be; gives the steps that were taken. The role is there. A
 * password is made here, goes to Secrets Manager, and to the server as a SCRAM verifier: no statement holds it. Throws
 * `name_taken` for a secret of somebody else, `missing_right`, `not_healed`, and what `readAppSecret` throws.
 */
export async function applyAppSecret(target: AppSecretTarget): Promise<readonly SecretStep[]> {
  const wanted = wantedOf(target);
  const found = await readFacts(target, true, new Date());
  if (!isOurs(wanted, found)) throw notOurs(target);
  const steps = planAppSecret(wanted, found);
  let value: SecretValue = found.state === "there" && found.value ? found.value : { fields: {}, password: "" };
  if (steps.includes("create") || steps.includes("write new")) value = { ...value, password: newPassword() };
  value = { ...value, fields: { ...value.fields, ...wantedFields(wanted), password: value.password } };
  for (const step of steps) await take(target, step, value);
  return steps;
}

/**
 * Lets Secrets Manager delete a secret that a merchant does not need any more, after 30 days in which it can be restored. One
 * that is gone, or not the merchant's, is left alone. Throws `no_credential`, `cannot_look`.
 */
export async function retireAppSecret(target: Omit<AppSecretTarget, "database">): Promise<void> {
  const found = await describe(target);
  if (found?.DeletedDate !== undefined || tagOf(found?.Tags) !== target.merchant) return;
  await ask(target, "DeleteSecret", ({ sdk, client }, SecretId) =>
    client.send(new sdk.DeleteSecretCommand({ SecretId, RecoveryWindowInDays: RECOVERY_DAYS })),
  );
}

async function take(target: AppSecretTarget, step: SecretStep, { fields, password }: SecretValue): Promise<void> {
  const { kmsKeyId } = target.secret;
  const SecretString = JSON.stringify(fields);
  switch (step) {
    case "create":
      await ask(target, "CreateSecret", ({ sdk, client }, Name) =>
        client.send(new sdk.CreateSecretCommand({ Name, SecretString, KmsKeyId: kmsKeyId, ...labelsOf(target) })),
      );
      return;
    case "restore":
      await ask(target, "RestoreSecret", ({ sdk, client }, SecretId) =>
        client.send(new sdk.RestoreSecretCommand({ SecretId })),
      );
      return;
    case "encrypt":
      // Nothing stands for the account's key.
      await ask(target, "UpdateSecret", ({ sdk, client }, SecretId) =>
        client.send(new sdk.UpdateSecretCommand({ SecretId, KmsKeyId: kmsKeyId ?? "" })),
      );
      return;
    case "write new":
    case "write same":
      await ask(target, "PutSecretValue", ({ sdk, client }, SecretId) =>
        client.send(new sdk.PutSecretValueCommand({ SecretId, SecretString })),
      );
      return;
    case "let in":
      return letIn(target, password);
    default:
      return step satisfies never;
  }
}

/** Gives the role the password of its secret, for ever, and tries it. */
async function letIn(target: AppSecretTarget, password: string): Promise<void> {
  const { address, appRole, merchant, secret } = target;
  await withCronSession(address, (session) =>
    withTransaction(session, async () => {
      await lockInTransaction(session, "roles");
      await session.query(
        `select pg_catalog.set_config('merchant_jobs.role', $1::text, true),
           pg_catalog.set_config('merchant_jobs.verifier', $2::text, true)`,
        [appRole, scramVerifier(password)],
      );
      await session.query(SET_PASSWORD);
    }),
  ).catch((error: unknown) => {
    if (codeOf(error) !== SQLSTATE.insufficientPrivilege) throw error;
    throw new ConvergeError(
      "missing_right",
      `cell ${address.cell}: ${address.user} may not give ${appRole} a password; the master user can: ` +
        `grant ${quoteName(appRole)} to ${quoteName(address.user)} with admin option; and where ` +
        `rds.restrict_password_commands is on: grant rds_password to ${quoteName(address.user)};`,
      { cause: error },
    );
  });
  if (await isLetIn(target, password)) return;
  throw new ConvergeError(
    "not_healed",
    `merchant ${merchant} of cell ${address.cell}: the server refuses ${appRole} with the password of the secret ` +
      `${secret.name}, which was given to it a moment ago: see whether somebody else sets it, or the server's log`,
  );
}

/** A rotation that ends between the look at the secret and the login makes the first of two looks wrong. */
async function readFacts(target: AppSecretTarget, asking: boolean, now: Date): Promise<SecretFacts> {
  const found = await readOnce(target, asking, now);
  return found.state === "there" && found.letsIn === false ? readOnce(target, asking, now) : found;
}

async function readOnce(target: AppSecretTarget, asking: boolean, now: Date): Promise<SecretFacts> {
  const described = await describe(target);
  if (described === undefined) return { state: "gone" };
  const { Tags, KmsKeyId, DeletedDate, VersionIdsToStages = {} } = described;
  const tags = { merchant: tagOf(Tags), kmsKeyId: KmsKeyId === "" ? undefined : KmsKeyId };
  if (DeletedDate !== undefined) return { state: "leaving", ...tags, value: undefined, letsIn: undefined };
  const { value } = await readValue(target, { VersionStage: "AWSCURRENT" });
  const facts = { state: "there", ...tags, value } as const;
  if (value === undefined || !asking) return { ...facts, letsIn: undefined };
  if (await isLetIn(target, value.password)) return { ...facts, letsIn: true };
  // A rotation sets the password of its pending version, and makes that the current one afterwards; it may keep its label then.
  const isPending = (stages: readonly string[]) => stages.length === 1 && stages[0] === "AWSPENDING";
  const pending = Object.keys(VersionIdsToStages).find((id) => isPending(VersionIdsToStages[id] ?? []));
  if (pending === undefined) return { ...facts, letsIn: false };
  const { value: next, made } = await readValue(target, { VersionId: pending });
  const isUnderWay = made !== undefined && now.getTime() - made.getTime() < ROTATION_TIME;
  return { ...facts, letsIn: isUnderWay && next !== undefined && (await isLetIn(target, next.password)) };
}

async function readValue(
  target: AppSecretTarget,
  version: { readonly VersionStage: string } | { readonly VersionId: string },
): Promise<{ readonly value: SecretValue | undefined; readonly made: Date | undefined }> {
  const found = await ask(target, "GetSecretValue", ({ sdk, client }, SecretId) =>
    client.send(new sdk.GetSecretValueCommand({ SecretId, ...version })).catch(unlessMissing),
  );
  return { value: parseValue(found?.SecretString, target.appRole), made: found?.CreatedDate };
}

/** Whether the server lets the application in by this password. */
async function isLetIn({ address, appRole }: AppSecretTarget, password: string): Promise<boolean> {
  try {
    await withSession({ ...address, user: appRole, password }, ANY_DATABASE, () => Promise.resolve());
    return true;
  } catch (error) {
    const cause = error instanceof ConvergeError ? error.cause : error;
    if (isRefusedLogin(cause)) return false;
    // Whether a role may come into a database is asked after its password.
    if (codeOf(cause) === SQLSTATE.insufficientPrivilege) return true;
    throw error;
  }
}

function describe(target: Omit<AppSecretTarget, "database">) {
  return ask(target, "DescribeSecret", ({ sdk, client }, SecretId) =>
    client.send(new sdk.DescribeSecretCommand({ SecretId })).catch(unlessMissing),
  );
}

type Sdk = Awaited<ReturnType<typeof secretsClient>>;

/** One call to Secrets Manager about the secret. What AWS says of a failure names the caller and the action, and no value. */
async function ask<T>(
  { address, secret }: Pick<AppSecretTarget, "address" | "secret">,
  action: string,
  work: (sdk: Sdk, name: string) => Promise<T>,
): Promise<T> {
  const sdk = await secretsClient(secret.region);
  try {
    return await work(sdk, secret.name);
  } catch (error) {
    throw awsFailure(address.cell, `secretsmanager:${action} of ${secret.name}`, error);
  }
}

function unlessMissing(error: unknown): undefined {
  if (awsErrorName(error) !== "ResourceNotFoundException") throw error;
  return undefined;
}

function wantedOf({ address, merchant, database, appRole, secret }: AppSecretTarget): SecretTarget {
  const { host, port } = address;
  return { secret, merchant, appRole, host, port, database };
}

function labelsOf({ address, merchant, appRole }: AppSecretTarget) {
  return {
    Description: `merchant-jobs: the application of merchant ${merchant} logs in to cell ${address.cell} as ${appRole}`,
    Tags: [
      { Key: "merchant-jobs:cell", Value: address.cell },
      { Key: MERCHANT_TAG, Value: merchant },
    ],
  };
}

function tagOf(tags: readonly { readonly Key?: string | undefined; readonly Value?: string | undefined }[] = []) {
  return tags.find(({ Key }) => Key === MERCHANT_TAG)?.Value;
}

function notOurs({ address, merchant, secret }: AppSecretTarget): ConvergeError {
  const tag = `Key=${MERCHANT_TAG},Value=${merchant}`;
  return new ConvergeError(
    "name_taken",
    `merchant ${merchant} of cell ${address.cell}: there is a secret ${secret.name} that was not made for it; nothing of it ` +
      "was changed: delete it, or, if it is the merchant's, say so: " +
      `aws secretsmanager tag-resource --region ${secret.region} --secret-id ${secret.name} --tags ${tag}`,
  );
}

/** 24 random bytes in characters that need no quoting anywhere. */
function newPassword(): string {
  return randomBytes(24).toString("base64url");
}
