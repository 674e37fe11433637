import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { text as readAll } from "node:stream/consumers";
import { EngineError, messageOf, refusal } from "./errors.ts";
import type { Terminal } from "./command-run.ts";
import type { CommandLine } from "./options.ts";
import { loadState, saveState } from "./recorder.ts";
import { crypterOf } from "./secrets.ts";
import { readStackFile, writeConfig } from "./stack-config.ts";
import { findStack, openConfig, openStack, selectStack } from "./stack.ts";
import { clearLocks, listStacks, lockStack, markBackend } from "./stack-store.ts";
import { missingIn } from "./resource-state.ts";
import { openDeployment, parseDeployment, sealDeployment } from "./state-file.ts";
import type { UntypedDeployment } from "./state-file.ts";
import { hasSecret, isSecret, mapParts, SECRET, SIGNATURE, withoutSecrets } from "./values.ts";
import type { Json } from "./values.ts";

type Command = (line: CommandLine, env: NodeJS.ProcessEnv, terminal: Terminal) => Promise<void>;

/** Text for people, and only for them. */
const say = (terminal: Terminal, text: string) => {
  terminal.out(`${text}\n`);
};

async function init(line: CommandLine, env: NodeJS.ProcessEnv, terminal: Terminal): Promise<void> {
  const provider = line.text("secrets-provider");
  if (provider !== undefined && !["passphrase", "default"].includes(provider))
    throw refusal(`the secrets provider ${provider}`);
  const place = findStack(line, env, line.words[0]);
  if (existsSync(place.files.state))
    throw new EngineError("state", `stack '${place.name}' already exists in ${place.folder}`);
  markBackend(place.folder);
  const none = () => Promise.reject(new EngineError("secrets", "a new stack has no secrets"));
  await saveState(place.files, place.project.name, { resources: [], pending: [] }, undefined, none);
  selectStack(place);
  say(terminal, `Created stack '${place.name}'`);
}

/** Prints or writes the deployment; secrets stay encrypted unless they are asked for. */
async function exportState(line: CommandLine, env: NodeJS.ProcessEnv, terminal: Terminal): Promise<void> {
  const stack = await openStack(findStack(line, env));
  const secret = hasSecret(stack.deployment as unknown as Json);
  const shown = line.flag("show-secrets") ? mapParts(stack.deployment as unknown as Json, revealed) : undefined;
  const crypter = secret && !shown ? await stack.crypter() : undefined;
  const salt = crypter?.salt ?? stack.stored.raw.salt;
  const deployment = (shown ?? stack.deployment) as typeof stack.deployment;
  const sealed = sealDeployment(deployment, crypter, salt, new Date());
  const text = `${JSON.stringify(sealed, undefined, 4)}\n`;
  const file = line.text("file");
  if (file === undefined) terminal.out(text);
  else writeFileSync(file, text, { mode: 0o600 });
}

function revealed(part: Json): Json | undefined {
  return isSecret(part) ? { [SIGNATURE]: SECRET, plaintext: JSON.stringify(withoutSecrets(part.value)) } : undefined;
}

async function importState(line: CommandLine, env: NodeJS.ProcessEnv, terminal: Terminal): Promise<void> {
  const place = findStack(line, env);
  const file = line.text("file");
  let untyped: UntypedDeployment;
  try {
    untyped = JSON.parse(file === undefined ? await readInput() : readFileSync(file, "utf8")) as UntypedDeployment;
  } catch (cause) {
    throw new EngineError(
      "state",
      `${file ?? "standard input"} is not a deployment as stack export writes it: ${messageOf(cause)}`,
      { cause },
    );
  }
  const raw = parseDeployment(untyped, file ?? "the deployment");
  const unlock = lockStack(place.files);
  try {
    const stack = await openStack(place);
    const salt = raw.salt ?? stack.stored.raw.salt;
    const crypter = raw.hasSecrets ? await crypterOf(env, place.project.folder, salt) : undefined;
    const deployment = openDeployment(raw, crypter);
    const foreign = deployment.resources.find(
      (r) => !r.urn.startsWith(`urn:pulumi:${place.name}::${place.project.name}::`),
    );
    if (foreign && !line.flag("force")) {
      throw new EngineError(
        "state",
        `${foreign.urn} belongs to another stack than ${place.project.name}/${place.name}; --force imports it nevertheless`,
      );
    }
    const missing = missingIn(deployment.resources);
    if (missing && !line.flag("force"))
      throw new EngineError("state", `${missing[0]} needs ${missing[1]}, which is not there; --force imports it so`);
    const source = crypter ? () => Promise.resolve(crypter) : stack.crypter;
    await saveState(place.files, place.project.name, deployment, salt, source);
    // A journal of the state before would not be taken for one of this; it only confuses.
    say(terminal, `Import complete: ${deployment.resources.length} resources.`);
  } finally {
    unlock();
  }
}

function list(line: CommandLine, env: NodeJS.ProcessEnv, terminal: Terminal): Promise<void> {
  const place = findStack(line, env, "any");
  for (const name of listStacks(place.folder, place.project.name)) say(terminal, name);
  return Promise.resolve();
}

function cancel(line: CommandLine, env: NodeJS.ProcessEnv, terminal: Terminal): Promise<void> {
  const place = findStack(line, env, line.words[0]);
  if (!line.flag("yes")) throw new EngineError("usage", "cancel clears the lock of a run that died: pass --yes");
  const cleared = clearLocks(place.files);
  say(
    terminal,
    cleared.length === 0 ? `stack '${place.name}' is not locked` : `cleared the lock of ${cleared.join("; ")}`,
  );
  return Promise.resolve();
}

/** All of standard input. Read as a stream: at once it fails with EAGAIN while whoever feeds the pipe is still busy. */
function readInput(): Promise<string> {
  return readAll(process.stdin);
}

async function setConfig(line: CommandLine, env: NodeJS.ProcessEnv): Promise<void> {
  const place = findStack(line, env);
  const [key, given] = line.words;
  if (key === undefined) throw new EngineError("usage", "config set needs a key and a value");
  // Without a value it is read from standard input, where no process list shows it.
  const value = given ?? (await readInput()).replace(/\n$/, "");
  if (!line.flag("secret")) {
    writeConfig(place.project, place.name, key, value);
    return;
  }
  const salt = readStackFile(place.project, place.name).salt ?? loadState(place.files)?.raw.salt;
  const crypter = await crypterOf(env, place.project.folder, salt);
  writeConfig(place.project, place.name, key, { secure: crypter.encrypt(value) }, crypter.salt);
}

async function getConfig(line: CommandLine, env: NodeJS.ProcessEnv, terminal: Terminal): Promise<void> {
  const { project, name } = findStack(line, env);
  const file = readStackFile(project, name);
  const configCrypter = () => crypterOf(env, project.folder, file.salt);
  const { values } = await openConfig({ project, file, configCrypter });
  const [key = ""] = line.words;
  const value = values[key.includes(":") ? key : `${project.name}:${key}`];
  if (value === undefined) throw new EngineError("usage", `configuration key '${key}' not found for stack '${name}'`);
  say(terminal, value);
}

/** The commands that run no program. */
export const STACK_COMMANDS: Readonly<Record<string, Command>> = {
  "stack init": init,
  "stack export": exportState,
  "stack import": importState,
  "stack ls": list,
  "config set": setConfig,
  "config get": getConfig,
  cancel,
};
