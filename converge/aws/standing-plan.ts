import { PARAMETERS } from "../../spec/aws/parameter-table.ts";
import type { Parameters } from "../../spec/aws/parameters.ts";
import type { InstanceFacts } from "./instance.ts";

/** How an instance stands to what its jobs need: as it shall be, waiting for a reboot, or wrong until somebody acts. */
export type Standing =
  | { readonly state: "ready" }
  | { readonly state: "waiting"; readonly sentence: string }
  | { readonly state: "wrong"; readonly sentence: string };

/** What every instance needs, whoever made its parameter group. */
const NEEDED: Parameters = { "cron.database_name": "cron", "cron.log_run": "on", "rds.force_ssl": "1" };

/** RDS's own values, where a group says nothing. */
const UNSET: Parameters = {
  "cron.database_name": "postgres",
  "cron.log_run": "on",
  "cron.max_running_jobs": "5",
  "rds.force_ssl": "1",
  shared_preload_libraries: "",
};

/** Judges an instance by what RDS says of it and by the values of its parameter group. */
export function judgeInstance(instance: InstanceFacts, group: Parameters): Standing {
  const lacks = lackingIn(group);
  if (lacks.length > 0) return { state: "wrong", sentence: wrongSentence(instance, lacks) };
  if (!instance.iamLogin) return { state: "wrong", sentence: noIamSentence(instance) };
  if (instance.parameterStatus === "pending-reboot") return { state: "waiting", sentence: waitingSentence(instance) };
  return { state: "ready" };
}

/**
 * The parameters that a running server has otherwise than its group says, by its pg_settings. What RDS computes from the
 * instance class is left out, and of a list only what is missing counts: RDS adds libraries of its own.
 */
export function notInForce(wanted: Parameters, settings: Parameters): readonly string[] {
  return Object.entries(wanted)
    .filter(([name, value]) => {
      const found = settings[name];
      if (found === undefined || /[{(]/.test(value)) return false;
      if (PARAMETERS[name]?.value.kind === "list") return listOf(value).some((one) => !listOf(found).includes(one));
      return plain(found) !== plain(value);
    })
    .map(([name]) => name)
    .sort();
}

/** PostgreSQL says on and off where RDS writes 1 and 0; a value of one that is a number then differs from both. */
function plain(value: string): string {
  const text = value.trim().toLowerCase();
  return text === "on" ? "1" : text === "off" ? "0" : text;
}

/** What is said of parameters that are in the group and not in force, though RDS says nothing of a reboot. */
export function pendingSentence(instance: InstanceFacts, names: readonly string[]): string {
  return (
    `cell ${instance.cell} waits for a reboot: ${names.join(", ")} of its parameter group ${instance.parameterGroup} ` +
    `${names.length === 1 ? "is" : "are"} not in force before: ${rebootCommand(instance)}`
  );
}

/** The command that reboots an instance; one with a standby goes over to it, which is sooner done. */
function rebootCommand({ region, identifier, multiAz }: InstanceFacts): string {
  const failover = multiAz ? " --force-failover" : "";
  return `aws rds reboot-db-instance --region ${region} --db-instance-identifier ${identifier}${failover}`;
}

interface Lack {
  readonly name: string;
  readonly is: string;
  readonly shall: string;
}

function lackingIn(group: Parameters): readonly Lack[] {
  const is = (name: string) => group[name] ?? UNSET[name] ?? "";
  const lacks: Lack[] = Object.entries(NEEDED)
    .filter(([name, value]) => is(name) !== value)
    .map(([name, shall]) => ({ name, is: is(name), shall }));
  const libraries = listOf(is("shared_preload_libraries"));
  if (!libraries.includes("pg_cron")) {
    const shall = [...(libraries.length > 0 ? libraries : ["pg_stat_statements"]), "pg_cron"].join(",");
    lacks.push({ name: "shared_preload_libraries", is: libraries.join(","), shall });
  }
  const allowed = group["rds.allowed_extensions"];
  if (allowed !== undefined && !listOf(allowed).some((name) => name === "pg_cron" || name === "*")) {
    lacks.push({ name: "rds.allowed_extensions", is: allowed, shall: [...listOf(allowed), "pg_cron"].join(",") });
  }
  const [running, workers] = [Number(is("cron.max_running_jobs")), Number(group["max_worker_processes"])];
  // A formula, or nothing, is RDS's own: at least 8.
  if (Number.isFinite(workers) && workers <= running) {
    lacks.push({ name: "max_worker_processes", is: String(workers), shall: String(running + 8) });
  }
  return lacks;
}

function listOf(text: string): readonly string[] {
  return text
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "");
}

function wrongSentence({ cell, region, parameterGroup }: InstanceFacts, lacks: readonly Lack[]): string {
  const found = lacks.map(({ name, is, shall }) => `${name} is ${is === "" ? "empty" : is}, and shall be ${shall}`);
  const values = lacks.map(
    ({ name, shall }) => `"ParameterName='${name}',ParameterValue='${shall}',ApplyMethod=pending-reboot"`,
  );
  const group = parameterGroup.startsWith("default.")
    ? `make a parameter group of your own (${parameterGroup} cannot be changed), give it to the instance, and: `
    : "";
  const name = group === "" ? parameterGroup : "<your group>";
  return (
    `cell ${cell}: the parameter group ${parameterGroup} is not what its jobs need: ${found.join("; ")}: ${group}` +
    `aws rds modify-db-parameter-group --region ${region} --db-parameter-group-name ${name} --parameters ${values.join(" ")}`
  );
}

function noIamSentence({ cell, region, identifier }: InstanceFacts): string {
  return (
    `cell ${cell}: the instance ${identifier} lets nobody log in by IAM: aws rds modify-db-instance --region ${region} ` +
    `--db-instance-identifier ${identifier} --enable-iam-database-authentication --apply-immediately`
  );
}

function waitingSentence(instance: InstanceFacts): string {
  return (
    `cell ${instance.cell} waits for a reboot: what was changed in its parameter group ${instance.parameterGroup} is not in ` +
    `force before: ${rebootCommand(instance)}`
  );
}
