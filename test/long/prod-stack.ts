import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import path from "node:path";
import { parse, stringify } from "yaml";
import { parseEngineOutput } from "../../report/engine-events.ts";
import { summarize } from "../../report/summary/model.ts";
import { renderSummary } from "../../report/summary/render.ts";
import { copyProgram } from "../project.ts";

const repository = path.join(import.meta.dirname, "..", "..");

/** The configuration of a stack file. */
export type StackConfig = Readonly<Record<string, unknown>>;

/** The production stack as an `up` would have left it, to look at what a change of its stack file would do. */
export interface ProdStack {
  /** The configuration of Pulumi.prod.yaml. */
  readonly config: StackConfig;
  /** Shows a preview of another configuration, as a person reads it, or as a pull request's comment. */
  preview(config: StackConfig, as: "text" | "comment"): Promise<{ readonly status: number; readonly text: string }>;
  remove(): void;
}

interface State {
  readonly urn: string;
  readonly type: string;
  readonly inputs: Record<string, unknown>;
  readonly [key: string]: unknown;
}

/** The value that stands for an unknown one (rpc.unknownValue of the SDK). */
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/**
 * Makes the stack. No AWS can be asked here, so its state is what the first preview plans, with an id for each resource and
 * what AWS would have answered in place of what a preview cannot know.
 */
export async function makeProdStack(): Promise<ProdStack> {
  const folder = mkdtempSync(path.join(tmpdir(), "merchant jobs prod "));
  copyProgram(folder);
  const file = parse(readFileSync(path.join(repository, "Pulumi.prod.yaml"), "utf8")) as {
    readonly config: StackConfig;
  };
  const run = async (...args: readonly string[]) => {
    const cli = path.join(repository, "local", "engine", "cli.ts");
    return runNode([cli, ...args, "--stack", "prod"], folder);
  };
  // The local engine has no KMS; nothing of this stack is encrypted.
  const write = (config: StackConfig) => {
    writeFileSync(path.join(folder, "Pulumi.prod.yaml"), stringify({ config }));
  };
  write(file.config);
  await run("stack", "init", "prod");
  const planned = await run("preview", "--json");
  if (planned.status !== 0) throw new Error(`the first preview failed:\n${planned.out}${planned.err}`);
  const deployment = {
    version: 3,
    deployment: { manifest: {}, resources: resourcesOf(planned.out, { merchants: placesOf(file.config) }) },
  };
  writeFileSync(path.join(folder, "deployment.json"), JSON.stringify(deployment));
  const imported = await run("stack", "import", "--file", "deployment.json");
  if (imported.status !== 0) throw new Error(`the state was not taken: ${imported.out}${imported.err}`);
  return {
    config: file.config,
    async preview(config, as) {
      write(config);
      const { status, out, err } = await run("preview", as === "text" ? "--diff" : "--json");
      const text = as === "text" ? out + err : renderSummary(summarize("prod", parseEngineOutput(out)));
      return { status, text: steady(text) };
    },
    remove() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What is the same in every run: resources by name, and no hash of a file that others change. */
function steady(text: string): string {
  const lines = text
    .replaceAll(/Duration: .*/g, "Duration: …")
    .replaceAll(/"[0-9a-f]{16}(?:[0-9a-f]{48})?"/g, '"<hash>"')
    .split("\n");
  const isStep = (line: string) => /^ [-+~] \S+ \S+ (?:create|update|delete)$/.test(line);
  const isMessage = (line: string) => line.startsWith("cell ");
  const first = lines.findIndex((line) => isStep(line) || isMessage(line));
  const end = !lines.includes("Outputs:") ? lines.indexOf("Resources:") : lines.indexOf("Outputs:");
  if (first === -1 || end === -1) return lines.join("\n");
  const steps: string[][] = [];
  const messages: string[] = [];
  for (const line of lines.slice(first, end)) {
    if (isMessage(line)) messages.push(line);
    else if (isStep(line)) steps.push([line]);
    else steps.at(-1)?.push(line);
  }
  const byName = steps.sort(([one = ""], [other = ""]) => (nameIn(one) < nameIn(other) ? -1 : 1));
  return [...lines.slice(0, first), ...messages, ...byName.flat(), ...lines.slice(end)].join("\n");
}

function nameIn(step: string): string {
  return step.split(" ").at(-2) ?? "";
}

/** The planned resources as a state has them. */
function resourcesOf(events: string, stackOutputs: object): readonly object[] {
  const planned = events
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as { readonly resourcePreEvent?: { readonly metadata: { readonly new: State } } })
    .flatMap(({ resourcePreEvent }) => (resourcePreEvent ? [resourcePreEvent.metadata.new] : []));
  const resources = planned.map((state) => {
    const name = state.urn.split("::").at(-1) ?? "";
    const inputs = Object.fromEntries(
      Object.entries(state.inputs).map(([key, value]) => [
        key,
        holdsUnknown(value) ? answeredInput(state, key) : value,
      ]),
    );
    const id = state.type.startsWith("pulumi:providers:") ? providerId(state.urn) : idOf(name);
    const outputs = { ...inputs, ...answered(state.type, name, inputs) };
    const provider = String(state["provider"]).replace(
      /::[^:]*$/,
      () => `::${providerId(String(state["provider"]).replace(/::[^:]*$/, ""))}`,
    );
    return {
      ...state,
      inputs,
      ...(state["custom"] === true ? { id, outputs } : {}),
      ...(state.type === "pulumi:pulumi:Stack" && { outputs: stackOutputs }),
      ...(state["provider"] === "" ? { provider: undefined } : { provider }),
    };
  });
  return [...defaultProvidersOf(resources), ...resources];
}

/** No event tells of default providers, and a state without them is refused. */
function defaultProvidersOf(resources: readonly { readonly provider?: string | undefined }[]): readonly object[] {
  const references = new Set(resources.flatMap(({ provider }) => (provider?.includes("::default") ? provider : [])));
  return [...references].map((reference) => {
    const [urn, id] = [reference.replace(/::[^:]*$/, ""), reference.split("::").at(-1)];
    return { urn, id, type: urn.split("::").at(-2), custom: true, inputs: {}, outputs: {} };
  });
}

/** Where each merchant is, as the program says when it ends. */
function placesOf(config: StackConfig): object {
  const merchants = config["merchant-jobs:merchants"] as Readonly<Record<string, { readonly cell: string }>>;
  return Object.fromEntries(Object.entries(merchants).map(([id, { cell }]) => [id, `${cell}/merchant_${id}`]));
}

/** What AWS answers besides the inputs. */
function answered(type: string, name: string, inputs: Record<string, unknown>): object {
  switch (type) {
    case "aws:rds/parameterGroup:ParameterGroup":
    case "aws:rds/subnetGroup:SubnetGroup":
      return { name: idOf(name) };
    case "aws:rds/instance:Instance":
      return { address: `${String(inputs["identifier"])}.abcdefghijkl.eu-central-1.rds.amazonaws.com`, port: 5432 };
    default:
      return {};
  }
}

/** What an input is that comes from another resource. */
function answeredInput({ type, urn, inputs }: State, key: string): unknown {
  const name = urn.split("::").at(-1) ?? "";
  const cell = name.replace(/-(?:instance|from-.*)$/, "");
  switch (`${type} ${key}`) {
    case "aws:rds/instance:Instance parameterGroupName":
      return idOf(`${cell}-parameters`);
    case "aws:rds/instance:Instance dbSubnetGroupName":
      return idOf(`${cell}-subnets`);
    case "aws:rds/instance:Instance vpcSecurityGroupIds":
      return [idOf(`${cell}-access`)];
    case "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule securityGroupId":
      return idOf(`${cell}-access`);
    case "pulumi:providers:postgresql host":
      return `merchant-jobs-${cell}.abcdefghijkl.eu-central-1.rds.amazonaws.com`;
    case "pulumi:providers:postgresql port":
      return "5432";
    default:
      throw new Error(`${key} of ${urn} is unknown, and nobody says what it is: ${JSON.stringify(inputs[key])}`);
  }
}

function idOf(name: string): string {
  return `${name}-0a1b2c3`;
}

function providerId(urn: string): string {
  return `00000000-0000-4000-8000-${Buffer.from(urn).toString("hex").slice(-12)}`;
}

function holdsUnknown(value: unknown): boolean {
  if (value === UNKNOWN) return true;
  return typeof value === "object" && value !== null && Object.values(value).some(holdsUnknown);
}

async function runNode(args: readonly string[], cwd: string) {
  const env = {
    PATH: process.env["PATH"],
    HOME: cwd,
    NO_COLOR: "1",
    PULUMI_CONFIG_PASSPHRASE: "for tests",
    // No preview asks AWS for anything: an address at which nobody is would show it.
    AWS_ENDPOINT_URL: "http://127.0.0.1:1",
    AWS_EC2_METADATA_DISABLED: "true",
  };
  return new Promise<{ readonly status: number; readonly out: string; readonly err: string }>((resolve) => {
    const options = { cwd, env, encoding: "utf8" as const, maxBuffer: 2 ** 26 };
    const child = execFile(process.execPath, args, options, (_error, out, err) => {
      resolve({ status: child.exitCode ?? -1, out, err });
    });
    child.stdin?.end();
  });
}
