import { expect, test } from "vitest";
import { partsOf } from "../../../converge/export-s3.ts";
import { explained, s3CodeOf } from "../../../converge/s3.ts";

const errand = { cell: "home", merchant: "acme", address: "s3://exports/left", until: 0 };
const named = (name: string, message: string) => Object.assign(new Error(message), { name });

test.for<[string, RegExp]>([
  ["NoSuchBucket", /: make the bucket, or name another one$/],
  ["AccessDenied", /s3:PutObject, s3:GetObject, s3:AbortMultipartUpload/],
  ["KMS.DisabledException", /kms:GenerateDataKey and kms:Decrypt/],
  ["CredentialsProviderError", /: log in to AWS again/],
  ["ExpiredToken", /: log in to AWS again/],
  ["PermanentRedirect", /: set AWS_REGION to the region of the bucket$/],
  ["InvalidObjectState", /: it was moved to an archive: restore it there first$/],
  ["PreconditionFailed", /nothing was overwritten$/],
  ["NoSuchUpload", /run up again$/],
])("what S3 refuses as %s is said with the way out", ([name, way]) => {
  const error = explained(errand, "be written to", named(name, "what S3 says"));
  expect(error).toMatchObject({ name: "ConvergeError", code: "export_failed" });
  expect(error.message).toMatch(
    new RegExp(`^merchant acme of cell home: s3://exports/left cannot be written to: ${name}: what S3 says: `),
  );
  expect(error.message).toMatch(way);
  expect(s3CodeOf(error)).toBe(name);
});

test("a time limit is said as such, and what nobody knows as it is", () => {
  const said = (error: Error) => explained(errand, "be read", error).message;
  expect(said(named("AbortError", "aborted"))).toMatch(/cannot be read: the time limit of the export was reached$/);
  expect(said(named("SlowDown", "reduce your rate"))).toMatch(/cannot be read: SlowDown: reduce your rate$/);
  expect(said(new Error("connect ECONNREFUSED 127.0.0.1:9"))).toMatch(
    /cannot be read: connect ECONNREFUSED 127.0.0.1:9$/,
  );
});

test("a content is cut into parts of one size, which grows after 500 of them; nothing is lost", async () => {
  const bytes = Buffer.from(Array.from({ length: 1_511 }, (_, i) => i % 251));
  const content = async function* () {
    for (let at = 0; at < bytes.length; at += 7) yield await Promise.resolve(bytes.subarray(at, at + 7));
  };
  const parts = await Array.fromAsync(partsOf(content(), 2));
  const sizes = parts.map(({ length }) => length);
  expect(sizes.slice(0, 500)).toEqual(Array.from({ length: 500 }, () => 2));
  expect(sizes.slice(500)).toEqual([...Array.from({ length: 127 }, () => 4), 3]);
  expect(Buffer.concat(parts).equals(bytes)).toBe(true);
  expect(await Array.fromAsync(partsOf(content(), 100_000))).toHaveLength(1);
});
