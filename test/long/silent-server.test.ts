import { createServer, type Server, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { CellAddress } from "../../converge/address.ts";
import { withCronSession } from "../../converge/session.ts";
import { PostgresqlProvider } from "../../local/engine/postgresql/provider.ts";

// A server that takes connections and says nothing, as one behind a firewall that drops packets.
let server: Server;
let port: number;
const sockets: Socket[] = [];
beforeAll(async () => {
  server = createServer((socket) => sockets.push(socket.on("error", () => undefined)));
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  port = (server.address() as { port: number }).port;
});
afterAll(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
});

test("a look at hundreds of merchants of a server that does not answer waits for it once", async () => {
  const address: CellAddress = {
    ...{
      cell: "home",
      scheduler: "pg_cron",
      host: "127.0.0.1",
      port,
      user: "nobody",
      password: "none",
      tls: "disable",
    },
  };
  const looks = Array.from({ length: 200 }, () => withCronSession(address, () => Promise.resolve()));
  const came = await Promise.allSettled(looks);
  expect(
    new Set(came.map((look) => ((look as PromiseRejectedResult).reason as { readonly code: string }).code)),
  ).toEqual(new Set(["not_connected"]));
  // Those that the pool opens at once.
  expect(sockets.splice(0).length).toBeLessThanOrEqual(3);
});

test("so do the stand-ins of the PostgreSQL provider", async () => {
  const inputs = { host: "127.0.0.1", port: String(port), username: "nobody", password: "none", sslmode: "disable" };
  const provider = new PostgresqlProvider({ ...inputs, connectTimeout: "6" });
  const urn = (name: string) => `urn:pulumi:dev::shop::postgresql:index/role:Role::${name}`;
  const reads = Array.from({ length: 200 }, (_, i) =>
    provider.read({ urn: urn(String(i)), id: String(i), inputs: {}, outputs: { name: String(i) } }),
  );
  const came = await Promise.allSettled(reads);
  expect(new Set(came.map(({ status }) => status))).toEqual(new Set(["rejected"]));
  expect(sockets.length).toBe(1);
});
