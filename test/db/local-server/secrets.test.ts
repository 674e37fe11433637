import { readdir, readFile, stat } from "node:fs/promises";
import { expect, test } from "vitest";
import { type RunningServer, startServer, stopServer } from "../../../local/postgres.ts";
import { scramVerifier } from "../../../converge/scram.ts";
import { connectAs, freshName, superuserClient, testServer, withOwnFolder } from "../../server.ts";

/** The command line and, as far as this user may see it, the environment of every process, until `done` is settled. */
async function watchProcesses(done: Promise<unknown>): Promise<ReadonlySet<string>> {
  const seen = new Set<string>();
  const watch = { over: false };
  const end = (): void => {
    watch.over = true;
  };
  done.then(end, end);
  while (!watch.over) {
    for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
      for (const part of ["cmdline", "environ"]) {
        seen.add(await readFile(`/proc/${pid}/${part}`, "utf8").catch(() => ""));
      }
    }
  }
  return seen;
}

test("passwords are in no process list, no log and no statement while a server is made, stopped and started", async () => {
  await withOwnFolder(undefined, async (folder) => {
    process.env["MERCHANT_JOBS_TEST_SECRET"] = "from the caller's environment";
    const settings = { log_statement: "all", log_min_error_statement: "debug5", log_connections: "on" };
    const whole = (async (): Promise<RunningServer> => {
      await startServer({ folder, durable: false, settings });
      await stopServer(folder);
      return await startServer({ folder, durable: false, settings });
    })();
    const seen = [...(await watchProcesses(whole))];
    const server = await whole;
    delete process.env["MERCHANT_JOBS_TEST_SECRET"];

    // What was looked at is what it is about.
    expect(seen.some((text) => text.includes("initdb") && text.includes(folder))).toBe(true);
    const log = await readFile(server.logFile, "utf8");
    expect(log).toContain("alter role");
    const client = await superuserClient("postgres", server);
    await client.query("create extension if not exists pg_stat_statements");
    const statements = await client.query<{ query: string }>("select query from pg_stat_statements");
    await client.end();
    const texts = [...seen, log, ...statements.rows.map(({ query }) => query)];
    for (const secret of [server.password, server.superuser.password]) {
      expect(secret).toMatch(/^[\w-]{32}$/);
      expect(texts.filter((text) => text.includes(secret))).toEqual([]);
    }
    // The server outlives its caller, and so must nothing of the caller's environment.
    const ours = seen.filter((text) => text.includes(server.dataFolder) || text.startsWith("LC_ALL="));
    expect(ours.filter((text) => text.includes("MERCHANT_JOBS_TEST_SECRET"))).toEqual([]);
  });
});

test("files with passwords are for their owner only, and so is the data", async () => {
  const { serverFile, dataFolder, logFile } = testServer();
  const folder = serverFile.replace(/server\.json$/, "postgres");
  const modes = await Promise.all(
    [
      serverFile,
      `${folder}/superuser.json`,
      `${folder}/cluster.json`,
      logFile,
      dataFolder,
      `${dataFolder}/postgresql.conf`,
    ].map(async (path) => ((await stat(path)).mode & 0o777).toString(8)),
  );
  expect(modes).toEqual(["600", "600", "600", "600", "700", "600"]);
  expect((await readdir(folder)).filter((name) => name.includes("password"))).toEqual([]);
});

test("server.json says where the server is and holds the administrator's password, not the superuser's", async () => {
  const { serverFile, superuser, dataFolder, logFile, ...server } = testServer();
  const text = await readFile(serverFile, "utf8");
  expect(JSON.parse(text)).toEqual(server);
  expect(server).toMatchObject({ host: "127.0.0.1", admin: "platform_admin", cronDatabase: "cron" });
  expect(text).not.toContain(superuser.password);
  expect(dataFolder && logFile).toBeTruthy();
});

test("the server takes no password but the right one", async () => {
  const { admin, superuser } = testServer();
  for (const user of [admin, superuser.user]) {
    for (const password of ["", "wrong"]) {
      await expect(connectAs({ user, password }, "postgres")).rejects.toThrow();
    }
  }
});

test.for(["plain", "with ' quote and \\ backslash", "x".repeat(200)])(
  "a SCRAM verifier lets exactly its password in: %s",
  async (password) => {
    const role = freshName("scram");
    const client = await superuserClient("postgres");
    await client.query(`create role ${role} login password ${client.escapeLiteral(scramVerifier(password))}`);
    try {
      const login = await connectAs({ user: role, password }, "postgres");
      await login.end();
      await expect(connectAs({ user: role, password: `${password}x` }, "postgres")).rejects.toMatchObject({
        code: "28P01",
      });
      // The same form that the server makes itself, to the length of each part.
      const form = (text: string): string => text.replace(/[A-Za-z0-9+/]+=*(?=[$:]|$)/g, (part) => String(part.length));
      const own = scramVerifier(password);
      await client.query(`alter role ${role} password ${client.escapeLiteral(password)}`);
      const { rows } = await client.query<{ made: string }>(
        "select rolpassword as made from pg_authid where rolname = $1",
        [role],
      );
      expect(form(own)).toBe(form(rows[0]!.made));
    } finally {
      await client.query(`drop role ${role}`);
      await client.end();
    }
  },
);
