import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

import { describe, expect, test } from "vitest";

import { withKitProject } from "../../engine/project.ts";
import { superuserClient, testServer, waitFor } from "../../server.ts";
import { withKitAdmin } from "./kit-server.ts";

const TIMEOUT = 600_000;
const up = ["up", "--yes", "--skip-preview"];
const kit = "conformance-postgresql" as const;

describe.concurrent(
  "the PostgreSQL stand-ins, where the server does not do what is asked",
  { timeout: TIMEOUT },
  () => {
    test("a server that cannot be reached is an error that says which; nothing is in the state (config.go, Connect)", () =>
      withKitAdmin(({ env }) =>
        withKitProject(
          async (project) => {
            project.write("plan.json", [{ type: "role", name: "r", args: { name: "unreachable" } }]);
            const { status, out } = await project.run(...up);
            expect(status).toBe(1);
            expect(out).toMatch(/error connecting to PostgreSQL server 127\.0\.0\.1 .*ECONNREFUSED/);
            expect((await project.state()).resources.map((r) => r.type)).not.toContain("postgresql:index/role:Role");
          },
          kit,
          { ...env, PGPORT: "1" },
        ),
      ));

    test("a wrong password is told with its SQLSTATE, and the password itself is nowhere (config.go, Connect)", () =>
      withKitAdmin(({ env }) =>
        withKitProject(
          async (project) => {
            project.write("plan.json", [{ type: "role", name: "r", args: { name: "nobody" } }]);
            const { status, out, err } = await project.run(...up);
            expect(status).toBe(1);
            expect(out).toMatch(/password authentication failed for user "conf_admin_\w+" \(28P01\)/);
            expect(out + err + JSON.stringify(await project.state())).not.toContain("not-the-password");
          },
          kit,
          { ...env, PGPASSWORD: "not-the-password" },
        ),
      ));

    test("names that need quoting are made, changed, read and deleted (resource_postgresql_role.go, QuoteIdentifier)", () =>
      withKitAdmin(({ env, names }) =>
        withKitProject(
          async (project) => {
            const name = `${names["conf_acme"] ?? ""} "Ö'wner"; --`;
            const plan = (connectionLimit: number) => [
              {
                type: "role",
                name: "r",
                args: { name, connectionLimit, login: true, password: 'secret:it\'s \\ "odd"' },
              },
            ];
            project.write("plan.json", plan(3));
            expect(await project.run(...up)).toMatchObject({ status: 0 });
            project.write("plan.json", plan(4));
            expect(await project.run(...up)).toMatchObject({ status: 0 });
            expect((await project.run("preview", "--refresh", "--expect-no-changes")).status).toBe(0);
            const client = await superuserClient("postgres");
            const { rows } = await client.query("select rolconnlimit from pg_roles where rolname = $1", [name]);
            await client.end();
            expect(rows).toEqual([{ rolconnlimit: 4 }]);
            expect(await project.run("destroy", "--yes", "--skip-preview")).toMatchObject({ status: 0 });
          },
          kit,
          env,
        ),
      ));

    test("a connection that is cut in the middle fails the resource; the next up goes on (resource_postgresql_role.go, Create)", () =>
      withKitAdmin(async ({ env, names }) => {
        const proxy = await startProxy(testServer().port);
        try {
          await withKitProject(
            async (project) => {
              const name = `${names["conf_acme"] ?? ""}_cut`;
              project.write("plan.json", [{ type: "role", name: "r", args: { name } }]);
              proxy.cutAt("CREATE ROLE");
              const { status, out } = await project.run(...up);
              expect(status).toBe(1);
              expect(out).toContain(`error creating role ${name}`);
              // The server notices by itself, and takes back what was not committed.
              const client = await superuserClient("postgres");
              const none = await waitFor(
                async () => (await client.query("select from pg_roles where rolname = $1", [name])).rowCount === 0,
                { what: "the rollback" },
              );
              await client.end();
              expect(none).toBe(true);
              proxy.cutAt(undefined);
              expect(await project.run(...up)).toMatchObject({ status: 0 });
            },
            kit,
            { ...env, PGPORT: String(proxy.port) },
          );
        } finally {
          proxy.close();
        }
      }));
  },
);

interface Proxy {
  readonly port: number;
  /** From now on a connection that sends this text is cut before the server gets it. */
  readonly cutAt: (text: string | undefined) => void;
  readonly close: () => void;
}

async function startProxy(target: number): Promise<Proxy> {
  const { connect } = await import("node:net");
  let wanted: string | undefined;
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target, "127.0.0.1");
    for (const socket of [client, upstream]) {
      open.add(socket);
      socket
        .on("error", () => undefined)
        .on("close", () => {
          open.delete(socket);
          client.destroy();
          upstream.destroy();
        });
    }
    client.on("data", (bytes: Buffer) => {
      if (wanted !== undefined && bytes.includes(wanted)) client.destroy();
      else upstream.write(bytes);
    });
    upstream.on("data", (bytes: Buffer) => client.write(bytes));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cutAt: (text) => (wanted = text),
    close: () => {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
}
