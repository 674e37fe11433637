import {
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
  TagResourceCommand,
  UntagResourceCommand,
  UpdateSecretCommand,
  UpdateSecretVersionStageCommand,
} from "@aws-sdk/client-secrets-manager";

/** What is in a secret of an application. */
export type Fields = Readonly<Record<string, unknown>> & { readonly password: string };

/** A secret of a stand-in for Secrets Manager, as a person has it, or a function that rotates it. */
export interface TestSecret {
  fields(): Promise<Fields>;
  /** What AWS says of it; undefined: there is none. */
  describe(): Promise<
    | {
        readonly leaving: boolean;
        readonly kmsKeyId: string | undefined;
        readonly tags: Readonly<Record<string, string>>;
        readonly versions: number;
      }
    | undefined
  >;
  /** Writes a value as it is, as the current one or as the one that a rotation has made; gives its version. */
  write(text: string, stage?: "AWSCURRENT" | "AWSPENDING"): Promise<string>;
  /** Writes what it has, changed. */
  change(fields: Readonly<Record<string, unknown>>): Promise<void>;
  /** Makes the pending version the current one, as a rotation does at its end. */
  finish(version: string): Promise<void>;
  delete(when: "later" | "now"): Promise<void>;
  encryptBy(kmsKeyId: string): Promise<void>;
  tag(name: string, value: string | undefined): Promise<void>;
}

/** A secret by its name, which need not be there. */
export function testSecret(region: string, SecretId: string): TestSecret {
  const client = new SecretsManagerClient({ region });
  const describe = () =>
    client.send(new DescribeSecretCommand({ SecretId })).catch((error: unknown) => {
      if (error instanceof Error && error.name === "ResourceNotFoundException") return undefined;
      throw error;
    });
  const current = async () =>
    Object.entries((await describe())?.VersionIdsToStages ?? {}).find(([, stages]) =>
      stages.includes("AWSCURRENT"),
    )?.[0];
  const secret: TestSecret = {
    async fields() {
      const { SecretString = "" } = await client.send(
        new GetSecretValueCommand({ SecretId, VersionStage: "AWSCURRENT" }),
      );
      return JSON.parse(SecretString) as Fields;
    },
    async describe() {
      const found = await describe();
      return (
        found && {
          leaving: found.DeletedDate !== undefined,
          kmsKeyId: found.KmsKeyId,
          tags: Object.fromEntries((found.Tags ?? []).map(({ Key = "", Value = "" }) => [Key, Value])),
          versions: Object.keys(found.VersionIdsToStages ?? {}).length,
        }
      );
    },
    async write(SecretString, stage = "AWSCURRENT") {
      const { VersionId = "" } = await client.send(
        new PutSecretValueCommand({ SecretId, SecretString, VersionStages: [stage] }),
      );
      return VersionId;
    },
    async change(fields) {
      await secret.write(JSON.stringify({ ...(await secret.fields()), ...fields }));
    },
    async finish(version) {
      const from = await current();
      await client.send(
        new UpdateSecretVersionStageCommand({
          SecretId,
          VersionStage: "AWSCURRENT",
          MoveToVersionId: version,
          RemoveFromVersionId: from,
        }),
      );
    },
    async delete(when) {
      const how = when === "now" ? { ForceDeleteWithoutRecovery: true } : { RecoveryWindowInDays: 7 };
      await client.send(new DeleteSecretCommand({ SecretId, ...how }));
    },
    async encryptBy(KmsKeyId) {
      await client.send(new UpdateSecretCommand({ SecretId, KmsKeyId }));
    },
    async tag(Key, Value) {
      await (Value === undefined
        ? client.send(new UntagResourceCommand({ SecretId, TagKeys: [Key] }))
        : client.send(new TagResourceCommand({ SecretId, Tags: [{ Key, Value }] })));
    },
  };
  return secret;
}
