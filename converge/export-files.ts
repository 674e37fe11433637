import { randomBytes } from "node:crypto";
import { constants, createReadStream, createWriteStream, existsSync } from "node:fs";
import { access, mkdir, open, readdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { ConvergeError, codeOf, messageOf } from "./errors.ts";
import type { Content, ExportOwner, NewExport } from "./export-place.ts";

/**
 * As `beginExport`, into a folder, which is made if it is not there; a relative one is in the working folder, which is the
 * project's. Nobody but its owner may read the file. `time` becomes a part of its name.
 */
export async function beginFileExport(folder: string, owner: ExportOwner, time: string): Promise<NewExport> {
  const { partial, file } = await makePartial(path.resolve(folder), owner, time);
  return {
    file,
    async write(content) {
      try {
        await pipeline(content, createWriteStream(partial));
      } catch (error) {
        if (error instanceof ConvergeError) throw error;
        throw new ConvergeError("export_failed", `${about(owner)}: ${partial}: ${messageOf(error)}`, { cause: error });
      }
    },
    read: () => Promise.resolve(createReadStream(partial)),
    async finish(description) {
      await giveName(partial, file);
      await writeFile(`${file}.json`, `${JSON.stringify(description, null, 2)}\n`, { flag: "wx", mode: 0o600 });
    },
    async discard() {
      await rm(partial, { force: true });
    },
  };
}

/** Opens an export; undefined when it is not there. */
export async function openExportFile(file: string): Promise<Content | undefined> {
  try {
    return (await open(file, "r")).createReadStream();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function about({ cell, merchant }: ExportOwner): string {
  return `merchant ${merchant} of cell ${cell}`;
}

interface Names {
  /** What it is called while it is written, */
  readonly partial: string;
  /** and once it is whole. */
  readonly file: string;
}

async function makePartial(folder: string, owner: ExportOwner, time: string): Promise<Names> {
  const prefix = `${owner.cell}.${owner.merchant}.`;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await access(folder, constants.W_OK | constants.X_OK);
    for (const name of await readdir(folder)) {
      if (name.startsWith(prefix) && name.endsWith(".partial")) await rm(path.join(folder, name), { force: true });
    }
    // Never a name that was there before: two exports of one second differ in the end of theirs.
    const file = path.join(folder, `${prefix}${time}.${randomBytes(3).toString("hex")}.dump`);
    const partial = `${file}.partial`;
    await (await open(partial, "wx", 0o600)).close();
    return { partial, file };
  } catch (error) {
    throw new ConvergeError(
      "export_failed",
      `${about(owner)}: nothing can be exported to ${folder}: ${messageOf(error)}; ` +
        "let it be a folder that this process may write to, or name another one",
      { cause: error },
    );
  }
}

/** Gives a whole export its name, once it is on the disk. */
async function giveName(partial: string, file: string): Promise<void> {
  await syncToDisk(partial);
  if (existsSync(file)) throw new ConvergeError("export_failed", `${file} is there already: nothing was overwritten`);
  await rename(partial, file);
  // Some file systems know no such thing as a folder on the disk.
  await syncToDisk(path.dirname(file)).catch(() => undefined);
}

async function syncToDisk(where: string): Promise<void> {
  const handle = await open(where, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
