import { createHash, randomBytes } from "node:crypto";
import { constants, createReadStream, existsSync } from "node:fs";
import { access, mkdir, open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { ConvergeError, codeOf, messageOf } from "./errors.ts";

/** Whose export it is. */
export interface ExportOwner {
  readonly cell: string;
  readonly merchant: string;
}

/** A file that is being written, and the name that it gets when it is whole. */
export interface ExportFiles {
  readonly partial: string;
  readonly file: string;
}

/**
 * Makes ready to write an export into a folder, which is made if it is not there: gives the name of a new file in it,
 * which nobody but its owner may read, and removes what runs that were stopped left half-written. A relative folder is
 * in the working folder, which is the project's. Throws `export_failed` when it cannot be written to.
 */
export async function beginExportFile(folder: string, owner: ExportOwner, at: Date): Promise<ExportFiles> {
  const where = path.resolve(folder);
  const prefix = `${owner.cell}.${owner.merchant}.`;
  try {
    await mkdir(where, { recursive: true, mode: 0o700 });
    await access(where, constants.W_OK | constants.X_OK);
    for (const name of await readdir(where)) {
      if (name.startsWith(prefix) && name.endsWith(".partial")) await rm(path.join(where, name), { force: true });
    }
    const time = at.toISOString().replace(/[-:]/g, "").replace(/\.\d+/, "");
    // Never a name that was there before: two exports of one second differ in the end of theirs.
    const file = path.join(where, `${prefix}${time}.${randomBytes(3).toString("hex")}.dump`);
    const partial = `${file}.partial`;
    await (await open(partial, "wx", 0o600)).close();
    return { partial, file };
  } catch (error) {
    throw new ConvergeError(
      "export_failed",
      `merchant ${owner.merchant} of cell ${owner.cell}: nothing can be exported to ${where}: ${messageOf(error)}; ` +
        "let it be a folder that this process may write to, or name another one",
      { cause: error },
    );
  }
}

/** Gives a whole export its name, once it is on the disk. Throws `export_failed` rather than overwrite another file. */
export async function finishExportFile({ partial, file }: ExportFiles): Promise<void> {
  await syncToDisk(partial);
  if (existsSync(file)) throw new ConvergeError("export_failed", `${file} is there already: nothing was overwritten`);
  await rename(partial, file);
  // Some file systems know no such thing as a folder on the disk.
  await syncToDisk(path.dirname(file)).catch(() => undefined);
}

/** Writes beside an export what is in it. */
export async function writeManifest(file: string, manifest: object): Promise<void> {
  await writeFile(`${file}.json`, `${JSON.stringify(manifest, null, 2)}\n`, { flag: "wx", mode: 0o600 });
}

async function syncToDisk(where: string): Promise<void> {
  const handle = await open(where, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Size and sha256 of a file; undefined when it is not there. */
export async function measureFile(
  file: string,
): Promise<{ readonly bytes: number; readonly sha256: string } | undefined> {
  try {
    const { size } = await stat(file);
    const hash = createHash("sha256");
    await pipeline(createReadStream(file), hash);
    return { bytes: size, sha256: hash.digest("hex") };
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
