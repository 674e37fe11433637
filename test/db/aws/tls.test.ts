// Verified TLS, against a real server: what a cell that is not this machine's is held to. Each test serves another certificate.
import { mkdtempSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CellAddress } from "../../../converge/address.ts";
import { ConvergeError, codeOf } from "../../../converge/errors.ts";
import { withSession } from "../../../converge/session.ts";
import { type Certificate, makeAuthority, selfSigned } from "../../aws/certificates.ts";
import { startTlsServer, type TlsServer } from "../../aws/tls-server.ts";

let tls: TlsServer;

beforeAll(async () => {
  tls = await startTlsServer({});
});
afterAll(async () => {
  await tls.remove();
});

function address(more: Partial<CellAddress> = {}): CellAddress {
  const { host, port, admin: user, password } = tls.own.server;
  const ca = tls.authority.pem;
  return { cell: "home", scheduler: "pg_cron", host, port, user, password, tls: "verify-full", ca, ...more };
}

const connect = (at: CellAddress) =>
  withSession(at, "cron", async (session) => {
    const { rows } = await session.query<{ ssl: boolean }>(
      "select ssl from pg_catalog.pg_stat_ssl where pid = pg_catalog.pg_backend_pid()",
    );
    return rows[0]?.ssl;
  });

async function refusal(at: CellAddress): Promise<string | undefined> {
  const error: unknown = await connect(at).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ConvergeError)) throw new Error(`no ConvergeError, but ${String(error)}`);
  expect(error.code).toBe("not_connected");
  expect(error.message).not.toContain(tls.own.server.password);
  return codeOf(error.cause) ?? "no code";
}

test("a server without TLS is refused, and gets no password", async () => {
  expect(await refusal(address())).toBe("no code");
});

describe("a server with a certificate", () => {
  test("of the right authority for the right host is accepted, by address and by name", async () => {
    await tls.use(tls.authority.issue("IP:127.0.0.1,DNS:localhost"));
    expect(await connect(address())).toBe(true);
    expect(await connect(address({ host: "localhost" }))).toBe(true);
  });

  test("of an authority that is not trusted is refused", async () => {
    expect(await refusal(address({ ca: makeAuthority(mkdtempSync(path.join(tls.folder, "other-"))).pem }))).toMatch(
      /^(?:UNABLE_TO_VERIFY|SELF_SIGNED|UNABLE_TO_GET)/,
    );
  });

  test("of a private authority is refused where none is told", async () => {
    const { host, port, user, password } = address();
    expect(
      await refusal({ cell: "home", scheduler: "pg_cron", host, port, user, password, tls: "verify-full" }),
    ).toMatch(/^(?:UNABLE_TO_VERIFY|SELF_SIGNED|UNABLE_TO_GET)/);
  });

  test.for<readonly [string, () => Certificate, string]>([
    ["for another host", () => tls.authority.issue("IP:127.0.0.2,DNS:db.example.com"), "ERR_TLS_CERT_ALTNAME_INVALID"],
    ["that has expired", () => tls.authority.issue("IP:127.0.0.1", -1), "CERT_HAS_EXPIRED"],
    ["that it signed itself", () => selfSigned(tls.folder, "IP:127.0.0.1"), "DEPTH_ZERO_SELF_SIGNED_CERT"],
  ])("%s is refused", async ([, certificate, code]) => {
    await tls.use(certificate());
    expect(await refusal(address())).toBe(code);
  });
});
