// A merchant's way out by S3, for which moto stands in. Each test of a group goes on where the one before it ended.
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request as connect } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { CreateMultipartUploadCommand, DeleteObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import type pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Exported, assertExportAtHand, exportMerchant } from "../../converge/export.ts";
import { beginExport, type Content } from "../../converge/export-place.ts";
import { installationRoot } from "../../local/postgres/installation.ts";
import { BUCKET_TIMEOUT, makeBucket, type TestBucket } from "../aws/bucket.ts";
import { makeUser, withAuthorization } from "../aws/iam.ts";
import { type Moto, MOTO_SECRET, setEnvironment, startMoto } from "../aws/moto.ts";
import { valueOf } from "../ledger.ts";
import { onboard, prepareCell, specOf, testCell } from "../merchants.ts";
import {
  adminClient,
  dropMerchantLeftovers,
  freshName,
  postgresMajor,
  superuserClient,
  testServer,
} from "../server.ts";

const id = freshName("cloudy");
const spec = specOf(id, { database: id });
const target = { address: testCell(), merchant: id, database: id };
const owner = { cell: "home", merchant: id };
const bucketName = `exports-${randomBytes(4).toString("hex")}`;
const where = `s3://${bucketName}/left/2026`;
const folder = mkdtempSync(path.join(tmpdir(), "exports from S3 "));
let moto: Moto;
let bucket: TestBucket;
let restoreEnvironment: () => void;
let exported: Exported;

const soon = () => Date.now() + 60_000;
const keyOf = (file: string) => file.replace(`s3://${bucketName}/`, "");

beforeAll(async () => {
  moto = await startMoto();
  restoreEnvironment = setEnvironment(moto.env);
  bucket = await makeBucket(moto, bucketName);
  await prepareCell();
  await onboard(spec);
  await inside(async (client) => {
    await client.query(
      "select app.grant_lot(g::text, now() + interval '1 day', 500 * g) from generate_series(1, 20) as g",
    );
  });
}, BUCKET_TIMEOUT);
afterAll(async () => {
  restoreEnvironment();
  bucket.client.destroy();
  await moto.stop();
  await dropMerchantLeftovers(id);
  rmSync(folder, { recursive: true });
});

async function inside<T>(work: (client: pg.Client) => Promise<T>, database = id): Promise<T> {
  const client = await superuserClient(database);
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** What an export that is refused says. */
async function refusal(place: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const undo = setEnvironment(env);
  let rested = false;
  const rest = () => {
    rested = true;
    return Promise.resolve();
  };
  try {
    const error = await exportMerchant(target, place, soon(), rest).catch((reason: unknown) => reason as Error);
    expect(error).toMatchObject({ code: "export_failed" });
    // Nothing of the merchant was touched.
    expect(rested).toBe(false);
    expect(error).not.toHaveProperty("message", expect.stringContaining(MOTO_SECRET));
    return (error as Error).message;
  } finally {
    undo();
  }
}

test("what cannot be written to is refused with the way out, before any job rests", async () => {
  const about = `merchant ${id} of cell home: s3://no-such-bucket/x cannot be written to: `;
  expect(await refusal("s3://no-such-bucket/x")).toBe(
    `${about}NoSuchBucket: The specified bucket does not exist: make the bucket, or name another one`,
  );
  expect(await refusal(where, { AWS_REGION: "" })).toContain("no region is set: set AWS_REGION");
  const nobody = { AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "" };
  expect(await refusal(where, nobody)).toMatch(/CredentialsProviderError: .*: log in to AWS again/);
  expect(await refusal(where, { AWS_ENDPOINT_URL: "http://127.0.0.1:9" })).toContain("ECONNREFUSED");
});

test("credentials that may not write there are refused with what they need, and need no more than that", async () => {
  const objects = `arn:aws:s3:::${bucketName}/left/2026/*`;
  const Action = ["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"];
  const writer = await makeUser(moto, "writer", [{ Effect: "Allow", Action, Resource: objects }]);
  const reader = await makeUser(moto, "reader", [{ Effect: "Allow", Action: "s3:GetObject", Resource: objects }]);
  await withAuthorization(moto, async () => {
    expect(await refusal(where)).toMatch(/InvalidAccessKeyId: .*: log in to AWS again/);
    expect(await refusal(where, { ...reader })).toMatch(
      /AccessDenied: .*: let these credentials s3:PutObject, s3:GetObject/,
    );
    expect(await refusal(`s3://${bucketName}/elsewhere`, { ...writer })).toContain("AccessDenied");
    const undo = setEnvironment({ ...writer });
    await assertExportAtHand(target, await exportMerchant(target, where, soon()), soon()).finally(undo);
  });
  for (const Key of await bucket.keys()) {
    await bucket.client.send(new DeleteObjectCommand({ Bucket: bucketName, Key }));
  }
});

test("an export is stored, read again, verified and described, and restores with the same figures", async () => {
  const theirs = { Bucket: bucketName, Key: "left/2026/home.other.20260101T000000Z.000000.dump" };
  await bucket.client.send(new PutObjectCommand({ ...theirs, Body: "another merchant's" }));
  exported = await exportMerchant(target, where, soon());
  const key = keyOf(exported.file);
  expect(key).toMatch(new RegExp(`^left/2026/home\\.${id}\\.\\d{8}T\\d{6}Z\\.[0-9a-f]{6}\\.dump$`));
  expect(await bucket.keys()).toEqual([key, `${key}.json`, theirs.Key].sort());
  expect(await bucket.uploads()).toEqual([]);
  const stored = await bucket.get(key);
  expect(stored.length).toBe(exported.bytes);
  expect(createHash("sha256").update(stored).digest("hex")).toBe(exported.sha256);
  const description = JSON.parse((await bucket.get(`${key}.json`)).toString()) as object;
  expect(description).toEqual({ cell: "home", merchant: id, database: id, postgresql: 15, ...exported });
  expect(exported.contents["app.ledger_entries"]).toMatchObject({ rows: "20", sums: { amount_minor: "105000" } });
  expect(JSON.stringify(exported)).not.toContain(MOTO_SECRET);
  expect((await bucket.get(theirs.Key)).toString()).toBe("another merchant's");

  const file = path.join(folder, "dump");
  writeFileSync(file, stored);
  const copy = `${id}_copy`;
  const admin = await adminClient("postgres");
  await admin.query(`create database ${copy} template template0`);
  await admin.end();
  const { host, port, superuser } = testServer();
  const env = { PGHOST: host, PGPORT: String(port), PGUSER: superuser.user, PGPASSWORD: superuser.password };
  await promisify(execFile)(
    path.join(installationRoot, String(postgresMajor()), "bin", "pg_restore"),
    ["--exit-on-error", "-d", copy, file],
    { env },
  );
  const sum = "select sum(amount_minor) from app.ledger_entries";
  expect(await inside((client) => valueOf<string>(client, sum), copy)).toBe("105000");
});

test("the export must be there, whole, when the merchant is dropped", async () => {
  const at = { Bucket: bucketName, Key: keyOf(exported.file) };
  const whole = await bucket.get(at.Key);
  await assertExportAtHand(target, exported, soon());
  await bucket.client.send(new PutObjectCommand({ ...at, Body: whole.subarray(1) }));
  await expect(assertExportAtHand(target, exported, soon())).rejects.toMatchObject({
    code: "not_exported",
    message: expect.stringContaining(`${exported.file} is not the file that was written`) as string,
  });
  await bucket.client.send(new DeleteObjectCommand(at));
  await expect(assertExportAtHand(target, exported, soon())).rejects.toMatchObject({
    code: "not_exported",
    message: expect.stringContaining(`${exported.file} is not there`) as string,
  });
  await bucket.client.send(new PutObjectCommand({ ...at, Body: whole }));
  await assertExportAtHand(target, exported, soon());
});

test("what is stored otherwise than it was written is no export, and does not stay", async () => {
  const before = await bucket.keys();
  // Of what is read, one letter is another one: in the name of the database, where pg_restore does not mind.
  const damaging = createServer((request, response) => {
    const { method, url = "", headers } = request;
    const forwarded = connect(`${moto.endpoint}${url}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 0, answer.headers);
      answer.on("data", (chunk: Buffer) => {
        const at = method === "GET" && url.includes(".dump?x-id=GetObject") ? chunk.indexOf(id) : -1;
        if (at >= 0) chunk.write("C", at);
        response.write(chunk);
      });
      answer.on("end", () => response.end());
    });
    request.pipe(forwarded);
  });
  await once(damaging.listen(0, "127.0.0.1"), "listening");
  const { port } = damaging.address() as AddressInfo;
  const undo = setEnvironment({ AWS_ENDPOINT_URL: `http://127.0.0.1:${port}` });
  try {
    await expect(exportMerchant(target, where, soon())).rejects.toMatchObject({
      code: "export_failed",
      message: expect.stringContaining(".dump does not hold what was written") as string,
    });
  } finally {
    undo();
    damaging.close();
  }
  expect([await bucket.keys(), await bucket.uploads()]).toEqual([before, []]);
});

test("an export that is out of time leaves neither an object nor an upload", async () => {
  const before = await bucket.keys();
  const outOfTime = {
    code: "export_failed",
    message: expect.stringContaining("the time limit of the export") as string,
  };
  await expect(exportMerchant(target, where, Date.now())).rejects.toMatchObject(outOfTime);
  // The runs took all of it.
  const until = Date.now() + 1_000;
  const rest = () => pause(until - Date.now());
  await expect(exportMerchant(target, where, until, rest)).rejects.toMatchObject(outOfTime);
  expect([await bucket.keys(), await bucket.uploads()]).toEqual([before, []]);
});

test("a content of several parts is stored; one that breaks, or whose run is killed, leaves nothing that looks complete", async () => {
  const before = await bucket.keys();
  const megabytes = async function* (count: number, end: () => void = () => undefined): Content {
    for (let i = 0; i < count; i += 1) yield await Promise.resolve(Buffer.alloc(1024 * 1024 + 1, i));
    end();
  };
  const long = await beginExport(where, owner, soon());
  await long.write(megabytes(17));
  const parts: Uint8Array[] = [];
  for await (const chunk of await long.read()) parts.push(chunk);
  expect(Buffer.concat(parts).equals(Buffer.concat(await Array.fromAsync(megabytes(17))))).toBe(true);
  // Nobody described it: it was not verified.
  await long.discard();
  expect(await bucket.keys()).toEqual(before);

  const broken = await beginExport(where, owner, soon());
  const breaks = megabytes(17, () => {
    throw new Error("pg_dump failed");
  });
  await expect(broken.write(breaks)).rejects.toThrow("pg_dump failed");
  expect(await bucket.keys()).toEqual(before);
  await broken.discard();
  expect(await bucket.uploads()).toEqual([]);

  // Of a run that was killed, of a merchant whose name goes on, and of one in another place.
  await beginExport(where, owner, soon());
  const others = [`left/2026/home.${id}x.1.dump`, `elsewhere/home.${id}.1.dump`];
  for (const Key of others) {
    await bucket.client.send(new CreateMultipartUploadCommand({ Bucket: bucketName, Key }));
  }
  expect(await bucket.uploads()).toHaveLength(3);
  await (await beginExport(where, owner, soon())).discard();
  expect(await bucket.uploads()).toEqual(others.toSorted());
});
