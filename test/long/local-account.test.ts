import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { describe, expect, test } from "vitest";
import { readServerFile, removeServer, startServer, stopServer } from "../../local/postgres.ts";
import { adminClient } from "../server.ts";
import { isRoot, ordinaryUser, withProjectCopy } from "../db/local-server/project-copy.ts";

async function ownerOf(path: string): Promise<number> {
  return (await stat(path)).uid;
}

test("an ordinary user starts, sees and stops a server by the command line, in a path with spaces", async () => {
  await withProjectCopy({ name: "merchant jobs", ordinary: true }, async ({ localFolder, server }) => {
    expect(await server("status")).toMatchObject({
      status: 3,
      stdout: "There is no local server in this project yet.\n",
    });
    const started = await server("start");
    expect(started).toMatchObject({
      status: 0,
      stderr: `local server: making a new PostgreSQL ${/PostgreSQL (\d+)/.exec(started.stdout)?.[1] ?? "?"} in ${localFolder}/postgres\n`,
    });
    const { port, password, admin, host } = await readServerFile(localFolder);
    expect(started.stdout).toContain(`runs on 127.0.0.1:${port}.`);
    expect(started.stdout).toContain(join(localFolder, "server.json"));
    expect(started.stdout + started.stderr).not.toContain(password);
    const client = new pg.Client({ host, port, user: admin, password, database: "cron" });
    await client.connect();
    await client.end();

    const status = await server("status");
    expect(status.status).toBe(0);
    const pid = /process (\d+)/.exec(status.stdout)?.[1];
    const me = isRoot ? ordinaryUser.uid : process.getuid!();
    expect(await ownerOf(`/proc/${pid}`)).toBe(me);
    expect(await ownerOf(join(localFolder, "postgres", "data"))).toBe(me);

    const again = await server("start");
    expect(again).toEqual({ ...started, stderr: "" });
    expect(await server("stop")).toMatchObject({ status: 0 });
    expect(await server("status")).toMatchObject({
      status: 3,
      stdout: expect.stringContaining(`port ${port}`) as string,
    });
    expect(await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).toBe("");
    expect(await server("remove", "--yes")).toMatchObject({ status: 0 });
    expect(await server("status")).toMatchObject({
      status: 3,
      stdout: "There is no local server in this project yet.\n",
    });
  });
});

test("a command line that is none says what there is, and does nothing", async () => {
  const commandLines = [
    "",
    "restart",
    "start now",
    "start --port",
    "start --port 0",
    "start --port 65536",
    "start --port 5432x",
    "start --yes",
    "stop --port 5432",
    "remove",
    "remove --no-install --yes",
  ];
  await withProjectCopy({ name: "usage" }, async ({ localFolder, server }) => {
    for (const line of commandLines) {
      const ended = await server(...line.split(" ").filter((word) => word !== ""));
      expect({ line, ...ended }).toMatchObject({ line, status: 2, stdout: "" });
      expect(ended.stderr).toContain("Usage: npm run server -- <command>");
    }
    await expect(stat(localFolder)).rejects.toMatchObject({ code: "ENOENT" });
  });
});

// What only root can meet: a server that runs as somebody else. Every other user runs it as themselves, tested above.
describe.runIf(isRoot)("started by root", () => {
  test("a server runs as postgres, whose data it is, and its files stay root's", async () => {
    await withProjectCopy({ name: "of root" }, async ({ localFolder, server }) => {
      expect((await server("start")).status).toBe(0);
      const pid = /process (\d+)/.exec((await server("status")).stdout)?.[1];
      const { uid } = await stat(join(localFolder, "postgres", "data"));
      expect(uid).not.toBe(0);
      expect(await ownerOf(`/proc/${pid}`)).toBe(uid);
      const status = await readFile(`/proc/${pid}/status`, "utf8");
      expect(/^Groups:[ \t]*(.*)$/m.exec(status)?.[1]?.trim()).toBe("");
      for (const name of ["server.json", "postgres/superuser.json", "postgres/server.log"]) {
        expect(await ownerOf(join(localFolder, name))).toBe(0);
      }
    });
  });

  test("in a folder that is closed to that user the data goes elsewhere, and is found and removed there", async () => {
    const closed = await mkdtemp(join(tmpdir(), "merchant-jobs-"));
    await chmod(closed, 0o700);
    const folder = join(closed, ".local");
    try {
      const lines: string[] = [];
      const server = await startServer({ folder, durable: false, log: (line) => lines.push(line) });
      expect(server.dataFolder).toMatch(/^\/var\/(lib\/postgresql|tmp)\/merchant-jobs-[0-9a-f]{12}\/data$/);
      expect(lines.join("\n")).toContain(server.dataFolder.replace(/\/data$/, ""));
      expect(server.logFile).toBe(join(folder, "postgres", "server.log"));
      await stopServer(folder);
      expect(await startServer({ folder, durable: false })).toEqual(server);
      const client = await adminClient("cron", server);
      await client.end();
      await removeServer(folder);
      await expect(stat(join(server.dataFolder, ".."))).rejects.toMatchObject({ code: "ENOENT" });
    } finally {
      await removeServer(folder);
      await rm(closed, { recursive: true, force: true });
    }
  });

  test("root starts an ordinary user's stopped server as that user", async () => {
    await withProjectCopy({ name: "of nobody", ordinary: true }, async ({ localFolder, server }) => {
      expect((await server("start")).status).toBe(0);
      expect((await server("stop")).status).toBe(0);
      const started = await startServer({ folder: localFolder });
      expect(await ownerOf(started.dataFolder)).toBe(ordinaryUser.uid);
      expect((await server("status")).status).toBe(0);
      expect((await server("stop")).status).toBe(0);
    });
  });

  test("an ordinary user is told that a server is root's, and does it no harm", async () => {
    await withProjectCopy({ name: "shared", ordinary: true }, async ({ localFolder, server }) => {
      // The folder itself is open to both.
      await mkdir(localFolder);
      await chown(localFolder, ordinaryUser.uid, ordinaryUser.gid);
      const running = await startServer({ folder: localFolder, durable: false });
      for (const command of ["start", "status", "stop"]) {
        const ended = await server(command);
        expect(ended).toMatchObject({ status: 1, stdout: "" });
        expect(ended.stderr).toMatch(/belongs to (another|the) operating-system user/);
      }
      const client = await adminClient("cron", running);
      await client.end();
      // A command that failed has changed nothing that root's next start needs.
      expect(await startServer({ folder: localFolder })).toEqual(running);
    });
  });
});
