import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { serverStatus, startServer, stopServer } from "../../local/postgres.ts";
import { findInstallations } from "../../local/postgres/installation.ts";
import { superuserClient, withOwnFolder, withOwnServer } from "../server.ts";

/** Files below a folder that looks like /usr/lib/postgresql. */
async function withSearchRoot<T>(files: readonly string[], fn: (root: string) => Promise<T>): Promise<T> {
  const root = await mkdtemp(join(tmpdir(), "merchant-jobs-"));
  try {
    for (const file of files) {
      await mkdir(join(root, file, ".."), { recursive: true });
      await writeFile(join(root, file), "");
    }
    return await fn(root);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

const server = (major: number): readonly string[] => [`${major}/bin/postgres`, `${major}/bin/initdb`];
const cron = (major: number): string => `${major}/lib/pg_cron.so`;

test.for([
  { what: "There is no PostgreSQL server on this machine.", files: [] },
  { what: "There is no PostgreSQL server on this machine.", files: ["15/bin/psql", cron(15)] },
  { what: "PostgreSQL 16 is on this machine, but not its extension pg_cron.", files: [...server(15), ...server(16)] },
])("without PostgreSQL and pg_cron ($files) a start says three ways to go on", async ({ what, files }) => {
  await withSearchRoot(files, async (searchRoot) => {
    await withOwnFolder(undefined, async (folder) => {
      const error: unknown = await startServer({ folder, searchRoot, install: false }).catch((e: unknown) => e);
      expect(error).toMatchObject({ code: "postgres_missing" });
      const message = String(error);
      const major = files.length === 4 ? 16 : 15;
      expect(message).toContain(what);
      expect(message).toContain(
        `sudo apt-get update && sudo apt-get install --yes postgresql-${major} postgresql-${major}-cron`,
      );
      expect(message).toContain(`FROM postgres:${major}`);
      expect(message).toContain("kind: server");
      expect(message).toContain("sql/server/administrator.sql");
      // Where nothing can be started, nothing is left.
      await expect(stat(folder)).rejects.toMatchObject({ code: "ENOENT" });
    });
  });
});

test("the newest PostgreSQL that has pg_cron is taken, not one that has it not", async () => {
  const files = [...server(9), ...server(14), cron(14), ...server(15), cron(15), ...server(17), "18/lib/pg_cron.so"];
  await withSearchRoot(files, async (root) => {
    const found = await findInstallations(root);
    expect(found.withCron.map(({ major }) => major)).toEqual([15, 14]);
    expect(found.withoutCron).toEqual([17]);
  });
});

test("data of a PostgreSQL that is no longer installed is left alone", async () => {
  await withOwnServer({}, async (running, folder) => {
    await stopServer(folder);
    await withSearchRoot([], async (searchRoot) => {
      const [newest] = (await findInstallations()).withCron;
      await symlink(join(newest!.binFolder, ".."), join(searchRoot, "99"));
      await expect(startServer({ folder, searchRoot })).rejects.toMatchObject({
        code: "version_missing",
        message: expect.stringContaining(`postgresql-${newest!.major}-cron`) as string,
      });
    });
    expect(await startServer({ folder, durable: false })).toEqual(running);
  });
});

test("a kept port that another program has is named, with that program, and is not left for another", async () => {
  await withOwnServer({}, async (running, folder) => {
    await stopServer(folder);
    const intruder = createServer();
    await new Promise<void>((resolve) => intruder.listen(running.port, "127.0.0.1", resolve));
    await expect(startServer({ folder })).rejects.toMatchObject({
      code: "port_taken",
      message: expect.stringMatching(
        new RegExp(`Port ${running.port} of 127.0.0.1.* is taken by process ${process.pid} \\(.*--port <another>`, "s"),
      ) as string,
    });
    await new Promise((resolve) => intruder.close(resolve));
    expect(await startServer({ folder, durable: false })).toEqual(running);
  });
});

test("a server is moved to another port when it is stopped, and keeps that one", async () => {
  await withOwnServer({}, async (running, folder) => {
    const port = running.port === 20_000 ? 20_001 : running.port - 1;
    await expect(startServer({ folder, port })).rejects.toMatchObject({
      code: "port_fixed",
      message: `port: the server runs on ${running.port}; stop it before it is moved to ${port}.`,
    });
    await stopServer(folder);
    const moved = await startServer({ folder, port, durable: false });
    expect(moved).toEqual({ ...running, port });
    expect(JSON.parse(await readFile(moved.serverFile, "utf8"))).toMatchObject({ port });
    await stopServer(folder);
    expect((await startServer({ folder, durable: false })).port).toBe(port);
  });
});

test("a setting that is refused fails the start, by its name, and the next start works", async () => {
  await withOwnServer({}, async (running, folder) => {
    await stopServer(folder);
    await expect(startServer({ folder, settings: { work_mem: "lots" } })).rejects.toMatchObject({
      code: "start_failed",
      message: expect.stringMatching(/ended at once; the end of .*server\.log:\n.*"work_mem": "lots"/s) as string,
    });
    await expect(startServer({ folder, settings: { "a = '1'\nfsync": "off" } })).rejects.toMatchObject({
      code: "setting_invalid",
      message: expect.stringContaining("\"a = '1'\\nfsync\" is not the name of a server setting") as string,
    });
    await expect(startServer({ folder, settings: { log_line_prefix: "%m\nfsync = off" } })).rejects.toMatchObject({
      code: "setting_invalid",
      message: expect.stringContaining("settings.log_line_prefix: ") as string,
    });
    expect((await serverStatus(folder)).state).toBe("stopped");

    const note = "it's \\n % ";
    expect(await startServer({ folder, durable: false, settings: { "merchant_jobs.note": note } })).toEqual(running);
    const client = await superuserClient("postgres", running);
    const { rows } = await client.query("select current_setting('merchant_jobs.note') as note");
    await client.end();
    expect(rows).toEqual([{ note }]);
  });
});

test("a spoilt file is named, with what is wrong in it and the way out", async () => {
  const cases = [
    { name: "server.json", text: "{", code: "file_invalid", message: "is not what `npm run server -- start` writes" },
    { name: "server.json", text: '{"host": "db.example.com"}', code: "file_invalid", message: "host: " },
    { name: "postgres/cluster.json", text: '{"port": 0}', code: "file_invalid", message: "port: " },
    { name: "postgres/superuser.json", text: undefined, code: "password_lost", message: "server -- remove --yes" },
  ];
  await withOwnServer({}, async (running, folder) => {
    for (const { name, text, code, message } of cases) {
      const file = join(folder, name);
      const good = await readFile(file, "utf8");
      await (text === undefined ? rm(file) : writeFile(file, text));
      const error: unknown = await startServer({ folder }).catch((e: unknown) => e);
      expect({ name, text, error }).toMatchObject({ name, text, error: { code } });
      expect(String(error)).toContain(file);
      expect(String(error)).toContain(message);
      await writeFile(file, good);
    }
    expect(await startServer({ folder })).toEqual(running);
  });
});

test("a lost server.json is written again, with a new password", async () => {
  await withOwnServer({}, async (running, folder) => {
    await rm(running.serverFile);
    const again = await startServer({ folder });
    expect(again.password).not.toBe(running.password);
    expect({ ...again, password: "" }).toEqual({ ...running, password: "" });
  });
});
