// Who answers for what pages show and no parser here can judge. A block that nobody answers for fails test/unit/docs.

/** Programs that need a server: a test that names the page does what it says. */
export const OF_POSTGRESQL: readonly string[] = ["psql", "createdb", "pg_dump", "pg_restore"];

/** Programs of which nothing is tried here, and why. */
export const NOT_TRIED: Readonly<Record<string, string>> = {
  docker: "there is no Docker where the tests run; .github/workflows/ci.yml builds the image and starts compose.yaml",
  git: "it needs a fork",
};

/** Programs of every system, which need no trial. */
export const OF_THE_SYSTEM: readonly string[] = ["cd", "export", "read", "rm", "umask", "printf", "openssl", "pgrep"];

/** What the Pulumi CLI alone knows, by how it begins: it is in no package registry, and needs a backend. */
export const OF_THE_CLI: readonly string[] = [
  "login",
  "stack init",
  "refresh",
  "state",
  "config set",
  "plugin install",
];

/** Services of AWS whose commands cannot be looked up, because no client of theirs is installed, and that of copying files. */
export const AWS_NOT_LOOKED_UP: readonly string[] = ["kms", "s3"];

/** What is printed, and not typed: how a block begins, where the words come from, and one that stands there. */
export const PRINTED: readonly (readonly [begins: string, file: string, words: string])[] = [
  ["wave 1 stops here", "converge/gate-plan.ts", "stops here, and no merchant of a later wave was changed"],
  ["merchant acme of cell home: acme:lot_expiry", "converge/running-jobs.ts", "is running, and to pause or remove"],
  ["cell eu-1 waits for a reboot", "converge/aws/standing-plan.ts", "waits for a reboot"],
  ["cell eu-1 (db.r7g.large)", "spec/aws/sizing.ts", "jobs in the busiest minute"],
  ["~ pulumi-nodejs:dynamic/merchant-jobs:Gate", "components/providers/gate.ts", "state"],
  ["Pulumi.<stack>.yaml -> config.ts", "docs/architecture.md", "Data flow"],
  ["Merchant (component, protected)", "docs/architecture.md", "Six resources"],
];
