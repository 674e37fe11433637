import { randomBytes } from "node:crypto";
import { addAbortSignal, Readable } from "node:stream";
import { parseS3Address } from "../spec/s3-address.ts";
import type { Content, ExportOwner, NewExport } from "./export-place.ts";
import { connectS3, type S3, s3CodeOf } from "./s3.ts";

/** An object's address, as commands have it. */
interface ObjectAddress {
  readonly Bucket: string;
  readonly Key: string;
}

/**
 * As `beginExport`, to an address of S3. The object is uploaded in parts and is there once they are put together, so that
 * an upload that was stopped leaves none; to begin it asks for the right to write. What stands there without a
 * description beside it was never verified.
 */
export async function beginS3Export(
  where: string,
  owner: ExportOwner,
  time: string,
  until: number,
): Promise<NewExport> {
  const { bucket: Bucket, prefix } = placeOf(where);
  const start = `${prefix}${owner.cell}.${owner.merchant}.`;
  // Never a name that was there before: two exports of one second differ in the end of theirs.
  const at = { Bucket, Key: `${start}${time}.${randomBytes(3).toString("hex")}.dump` };
  const s3 = await connectS3({ ...owner, address: where, until });
  await clearUploads(s3, Bucket, start);
  const upload = await beginUpload(s3, at);
  let stage: "uploading" | "stored" | "finished" = "uploading";
  return {
    file: `s3://${Bucket}/${at.Key}`,
    async write(content) {
      await uploadAll(s3, upload, content);
      stage = "stored";
    },
    read: () => readObject(s3, at),
    async finish(description) {
      const Body = `${JSON.stringify(description, null, 2)}\n`;
      const beside = { Bucket, Key: `${at.Key}.json`, Body, ContentType: "application/json", IfNoneMatch: "*" };
      await s3.ask("take its description", (to, options) => to.send(new s3.sdk.PutObjectCommand(beside), options));
      stage = "finished";
    },
    async discard() {
      if (stage === "uploading") await abort(s3, upload);
      else if (stage === "stored") {
        await s3.clear((to, options) => to.send(new s3.sdk.DeleteObjectCommand(at), options));
      }
      s3.close();
    },
  };
}

/** Opens an export; undefined when it is not there. Throws `export_failed`. */
export async function openS3Export(file: string, owner: ExportOwner, until: number): Promise<Content | undefined> {
  const { bucket: Bucket, prefix } = placeOf(file);
  const s3 = await connectS3({ ...owner, address: file, until });
  try {
    return closing(await readObject(s3, { Bucket, Key: prefix.slice(0, -1) }), s3);
  } catch (error) {
    s3.close();
    if (s3CodeOf(error) === "NoSuchKey") return undefined;
    throw error;
  }
}

async function* closing(content: Content, s3: S3): AsyncGenerator<Uint8Array> {
  try {
    yield* content;
  } finally {
    s3.close();
  }
}

function placeOf(address: string) {
  const place = parseS3Address(address);
  if ("problem" in place) throw new TypeError(`${address} ${place.problem}`);
  return place;
}

async function readObject(s3: S3, at: ObjectAddress): Promise<Content> {
  const { Body } = await s3.ask("be read", (to, options) => to.send(new s3.sdk.GetObjectCommand(at), options));
  if (!(Body instanceof Readable)) throw new TypeError("the AWS SDK gave no stream of Node.js");
  return explaining(s3, addAbortSignal(s3.signal, Body));
}

/** What breaks while the object is read is an error of S3 too. */
async function* explaining(s3: S3, content: Content): AsyncGenerator<Uint8Array> {
  const chunks = content[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await s3.ask("be read to its end", () => chunks.next());
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await chunks.return?.();
  }
}

type Upload = ObjectAddress & { readonly UploadId: string | undefined };

async function beginUpload(s3: S3, at: ObjectAddress): Promise<Upload> {
  try {
    const begun = await s3.ask("be written to", (to, options) =>
      to.send(new s3.sdk.CreateMultipartUploadCommand({ ...at, ChecksumAlgorithm: "CRC32" }), options),
    );
    return { ...at, UploadId: begun.UploadId };
  } catch (error) {
    s3.close();
    throw error;
  }
}

/** S3 compares each part with its checksum. */
async function uploadAll(s3: S3, upload: Upload, content: Content): Promise<void> {
  const Parts: { PartNumber: number; ETag: string | undefined; ChecksumCRC32: string | undefined }[] = [];
  for await (const Body of partsOf(content)) {
    const PartNumber = Parts.length + 1;
    const part = { ...upload, PartNumber, Body, ChecksumAlgorithm: "CRC32" } as const;
    const { ETag, ChecksumCRC32 } = await s3.ask(`take part ${PartNumber}`, (to, options) =>
      to.send(new s3.sdk.UploadPartCommand(part), options),
    );
    Parts.push({ PartNumber, ETag, ChecksumCRC32 });
  }
  const whole = { ...upload, MultipartUpload: { Parts }, IfNoneMatch: "*" };
  await s3.ask("put the parts together", (to, options) =>
    to.send(new s3.sdk.CompleteMultipartUploadCommand(whole), options),
  );
}

async function abort(s3: S3, { Bucket, Key, UploadId }: Upload): Promise<void> {
  await s3.clear((to, options) => to.send(new s3.sdk.AbortMultipartUploadCommand({ Bucket, Key, UploadId }), options));
}

/** Gives up what runs that were killed left of a merchant's uploads: nobody sees them, and they cost. */
async function clearUploads(s3: S3, Bucket: string, start: string): Promise<void> {
  await s3.clear(async (to, options) => {
    const left = await to.send(new s3.sdk.ListMultipartUploadsCommand({ Bucket, Prefix: start }), options);
    for (const { Key, UploadId } of left.Uploads ?? []) {
      if (Key?.startsWith(start) === true && Key.endsWith(".dump")) await abort(s3, { Bucket, Key, UploadId });
    }
  });
}

/** Bytes of the first parts. Each is in memory once; all but the last have at least 5 MiB. */
const PART = 16 * 1024 * 1024;
/** There are at most 10,000 parts of an object: so that they hold 1.6 TB, parts grow by `PART` after so many. */
const SAME_SIZE = 500;

/** Cuts a content into parts of the sizes that S3 wants. */
export async function* partsOf(content: Content, first = PART): AsyncGenerator<Uint8Array> {
  let chunks: Uint8Array[] = [];
  let gathered = 0;
  let count = 0;
  for await (const chunk of content) {
    let rest = chunk;
    for (;;) {
      const size = first * (1 + Math.floor(count / SAME_SIZE));
      const taken = rest.subarray(0, size - gathered);
      chunks.push(taken);
      gathered += taken.byteLength;
      rest = rest.subarray(taken.byteLength);
      if (gathered < size) break;
      yield Buffer.concat(chunks);
      [chunks, gathered, count] = [[], 0, count + 1];
    }
  }
  if (gathered > 0) yield Buffer.concat(chunks);
}
