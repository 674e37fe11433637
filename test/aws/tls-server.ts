import { X509Certificate } from "node:crypto";
import { chownSync, copyFileSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { TLSSocket } from "node:tls";
import pg from "pg";
import { findCluster } from "../../local/postgres/cluster.ts";
import { type OwnServer, type OwnServerOptions, startOwnServer, superuserClient, waitFor } from "../server.ts";
import { type Certificate, makeAuthority, type Authority } from "./certificates.ts";

/** A server of its own that speaks TLS once it was given a certificate, and the authority that signs its certificates. */
export interface TlsServer {
  readonly own: OwnServer;
  readonly authority: Authority;
  /** Of the certificates. */
  readonly folder: string;
  /** Runs statements as the superuser. */
  sql(database: string, ...statements: readonly string[]): Promise<void>;
  /** Serves this certificate from now on. */
  use(certificate: Certificate): Promise<void>;
  remove(): Promise<void>;
}

/** Starts the server, without TLS. */
export async function startTlsServer(options: OwnServerOptions): Promise<TlsServer> {
  const folder = mkdtempSync(path.join(tmpdir(), "merchant-jobs-tls-"));
  const own = await startOwnServer(options);
  const sql: TlsServer["sql"] = async (database, ...statements) => {
    const client = await superuserClient(database, own.server);
    try {
      for (const statement of statements) await client.query(statement);
    } finally {
      await client.end();
    }
  };
  return {
    own,
    authority: makeAuthority(folder),
    folder,
    sql,
    async use(certificate) {
      const cluster = await findCluster(own.folder);
      if (cluster === undefined) throw new Error("the server has no data folder");
      const { uid, gid } = statSync(cluster.dataFolder);
      for (const [from, name] of [
        [certificate.certFile, "server.crt"],
        [certificate.keyFile, "server.key"],
      ] as const) {
        const to = path.join(cluster.dataFolder, name);
        copyFileSync(from, to);
        chownSync(to, uid, gid);
      }
      await sql("postgres", "alter system set ssl = on", "select pg_reload_conf()");
      const expected = new X509Certificate(readFileSync(certificate.certFile)).fingerprint256;
      await waitFor(async () => (await served(own)) === expected, { what: "the certificate to be served" });
    },
    async remove() {
      await own.remove();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The certificate that the server serves now, whoever signed it. */
async function served({ server }: OwnServer): Promise<string | undefined> {
  const { host, port, superuser } = server;
  const client = new pg.Client({ host, port, ...superuser, database: "postgres", ssl: { rejectUnauthorized: false } });
  try {
    await client.connect();
    const { stream } = (client as unknown as { readonly connection: { readonly stream: TLSSocket } }).connection;
    return stream.getPeerCertificate().fingerprint256;
  } catch {
    return undefined;
  } finally {
    await client.end().catch(() => undefined);
  }
}
