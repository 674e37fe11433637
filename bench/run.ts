// npm run bench [-- <name> [options]]: measures what the project promises about speed and size, on a server of its own.

/** A bench: gives the exit status, 1 when it missed a bar. */
type Bench = (args: readonly string[]) => Promise<number>;

const BENCHES: Readonly<Record<string, { readonly about: string; readonly load: () => Promise<Bench> }>> = {
  drift: {
    about:
      "a refresh preview of 200 merchants (--merchants N): its connections, and its time against psql, 8 at a time",
    load: async () => (await import("./drift.bench.ts")).benchDrift,
  },
  engine: {
    about: "the local engine with 100 merchants (--merchants N) against psql, 8 at a time, doing the same SQL",
    load: async () => (await import("./engine.bench.ts")).benchEngine,
  },
  jobs: {
    about: "a run of a job with 1,000,000 due lots (--lots N) against one statement that does the same",
    load: async () => (await import("./jobs.bench.ts")).benchJobs,
  },
  runner: {
    about: "the runner with 1,000 merchants (--merchants N): memory, page, calls against pgbench -C, a minute's jobs",
    load: async () => (await import("./runner.bench.ts")).benchRunner,
  },
};

const [name, ...args] = process.argv.slice(2);
const chosen = name === undefined ? undefined : BENCHES[name];
if (chosen !== undefined) {
  const bench = await chosen.load();
  process.exitCode = await bench(args);
} else {
  if (name !== undefined) console.error(`there is no bench ${JSON.stringify(name)}`);
  console.log("npm run bench -- <name>, with one of:");
  for (const [known, { about }] of Object.entries(BENCHES)) console.log(`  ${known}  ${about}`);
  process.exitCode = name === undefined ? 0 : 2;
}
