import { createHash } from "node:crypto";
import { isS3Address } from "../spec/s3-address.ts";
import { beginFileExport, openExportFile } from "./export-files.ts";
import { beginS3Export, openS3Export } from "./export-s3.ts";

/** Bytes as they come. */
export type Content = AsyncIterable<Uint8Array>;

/** Whose export it is. */
export interface ExportOwner {
  readonly cell: string;
  readonly merchant: string;
}

/** An export that is being made. What its methods cannot do they throw as `export_failed`. */
export interface NewExport {
  /** Its absolute path, or its address in S3: a new name, which nothing there has. */
  readonly file: string;
  /** Stores all of the content, once; when the content fails, so does this, and nothing looks complete. */
  write(content: Content): Promise<void>;
  /** Gives what was stored, read from where it is. */
  read(): Promise<Content>;
  /** Makes it what it is to stay, with a description beside it (`<file>.json`). Never overwrites anything. */
  finish(description: object): Promise<void>;
  /** Takes away whatever there is of it, as far as that can be done; does nothing after `finish`. */
  discard(): Promise<void>;
}

/**
 * Makes ready to export into a folder, or to an address such as `s3://bucket/prefix`: makes sure that it can be written to,
 * and takes away what runs of the same merchant left half-written when they were killed. `until` is a time as Date.now()
 * gives it. Throws `export_failed`.
 */
export async function beginExport(where: string, owner: ExportOwner, until: number): Promise<NewExport> {
  const time = new Date().toISOString().replace(/[-:]/g, "").replace(/\.\d+/, "");
  return isS3Address(where) ? beginS3Export(where, owner, time, until) : beginFileExport(where, owner, time);
}

/** Size and sha256 of an export as it is now; undefined when it is not there. Throws `export_failed`. */
export async function measureExport(file: string, owner: ExportOwner, until: number): Promise<Measured | undefined> {
  const content = await (isS3Address(file) ? openS3Export(file, owner, until) : openExportFile(file));
  if (content === undefined) return undefined;
  const measuring = new Measuring();
  for await (const chunk of content) measuring.add(chunk);
  return measuring.result();
}

/** What identifies a content. */
export interface Measured {
  readonly bytes: number;
  readonly sha256: string;
}

/** Measures a content, also while somebody else takes it. */
export class Measuring {
  #bytes = 0;
  readonly #hash = createHash("sha256");

  add(chunk: Uint8Array): void {
    this.#bytes += chunk.byteLength;
    this.#hash.update(chunk);
  }

  async *of(content: Content): AsyncGenerator<Uint8Array> {
    for await (const chunk of content) {
      this.add(chunk);
      yield chunk;
    }
  }

  /** Of what was taken; to be asked once, at the end. */
  result(): Measured {
    return { bytes: this.#bytes, sha256: this.#hash.digest("hex") };
  }
}
