import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import {
  CreateSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { expect } from "vitest";
import { ConvergeError } from "../../converge/errors.ts";
import { findCluster } from "../../local/postgres/cluster.ts";
import { type Moto, MOTO_SECRET, setEnvironment, startMoto } from "./moto.ts";
import { REGION, type RdsApi, startRdsApi } from "./rds-api.ts";
import { startTlsServer, type TlsServer } from "./tls-server.ts";

/** An AWS that is a stand-in, and a real PostgreSQL that speaks TLS, which is what its instances stand for. */
export interface World {
  readonly api: RdsApi;
  readonly tls: TlsServer;
  /** With which a process finds the stand-in where AWS would be; this process has it. */
  readonly env: Readonly<Record<string, string>>;
  /** Every password and key that was in force: none may show. */
  readonly passwords: readonly string[];
  /** Writes a secret, made where it is not there. */
  writeSecret(name: string, text: string): Promise<void>;
  /** The password in a secret. */
  passwordIn(name: string): Promise<string>;
  /** Gives a role another password; the secret says so only when what it gives is called, as in a rotation. */
  rotate(role: string, secret: string): Promise<() => Promise<void>>;
  /** A password that no message may show. */
  newPassword(): string;
  /** Adds a password that somebody else has made. */
  mayNotShow(password: string): void;
  /** The ConvergeError that work fails with; no password of this world is in it. */
  failureOf(work: Promise<unknown>): Promise<ConvergeError>;
  /** Lets a role in by TLS alone, as RDS does by a token of IAM, which nobody here can check. */
  letInByIam(role: string): Promise<void>;
  stop(): Promise<void>;
}

/** Starts it. */
export async function startWorld(): Promise<World> {
  const moto: Moto = await startMoto();
  const api = await startRdsApi(moto);
  const env = { ...moto.env, AWS_ENDPOINT_URL: api.endpoint };
  const undo = setEnvironment(env);
  const secrets = new SecretsManagerClient({ region: REGION });
  const tls = await startTlsServer({});
  await tls.use(tls.authority.issue("IP:127.0.0.1"));
  const passwords: string[] = [MOTO_SECRET, tls.own.server.password];
  const newPassword = () => {
    const password = randomBytes(12).toString("hex");
    passwords.push(password);
    return password;
  };
  const writeSecret: World["writeSecret"] = async (name, text) => {
    await secrets
      .send(new PutSecretValueCommand({ SecretId: name, SecretString: text }))
      .catch(() => secrets.send(new CreateSecretCommand({ Name: name, SecretString: text })));
  };
  return {
    api,
    tls,
    env,
    passwords,
    writeSecret,
    newPassword,
    mayNotShow: (password) => void passwords.push(password),
    async passwordIn(name) {
      const { SecretString = "" } = await secrets.send(new GetSecretValueCommand({ SecretId: name }));
      return (JSON.parse(SecretString) as { readonly password: string }).password;
    },
    async rotate(role, secret) {
      const password = newPassword();
      await tls.sql("postgres", `alter role ${role} password '${password}'`);
      return () => writeSecret(secret, JSON.stringify({ username: role, password }));
    },
    async failureOf(work) {
      const error: unknown = await work.then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      if (!(error instanceof ConvergeError)) throw new Error(`no ConvergeError, but ${String(error)}`);
      for (const password of passwords) expect(`${error.message} ${String(error.stack)}`).not.toContain(password);
      return error;
    },
    async letInByIam(role) {
      const cluster = await findCluster(tls.own.folder);
      if (cluster === undefined) throw new Error("the server has no data folder");
      const file = path.join(cluster.dataFolder, "pg_hba.conf");
      writeFileSync(file, `hostssl all ${role} 127.0.0.1/32 trust\n${readFileSync(file, "utf8")}`);
      await tls.sql("postgres", "select pg_reload_conf()");
    },
    async stop() {
      undo();
      api.close();
      await moto.stop();
      await tls.remove();
    },
  };
}
