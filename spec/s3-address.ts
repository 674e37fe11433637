/** A place in S3, read from an address such as `s3://bucket/exports/2026`. */
export interface S3Place {
  readonly bucket: string;
  /** What the keys of its objects begin with: empty, or ending with a slash. */
  readonly prefix: string;
}

/** Whether somebody who wrote this meant S3. */
export function isS3Address(text: string): boolean {
  return /^s3:/i.test(text);
}

/** Reads an address of S3, or says what is wrong with it, as the end of a sentence about it. */
export function parseS3Address(text: string): S3Place | { readonly problem: string } {
  const [, bucket, rest] = /^s3:\/\/([^/]*)(?:\/(.*))?$/s.exec(text) ?? [];
  if (bucket === undefined) return { problem: "must have the form s3://bucket/prefix, in lower case at its beginning" };
  const problem = bucketProblem(bucket);
  if (problem !== undefined) return { problem: `must name a bucket that can be: ${problem}` };
  const prefix = (rest ?? "").replace(/\/$/, "");
  if (prefix === "") return { bucket, prefix: "" };
  const wrong = prefixProblem(prefix);
  return wrong === undefined ? { bucket, prefix: `${prefix}/` } : { problem: wrong };
}

/**
 * General purpose buckets, https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html: others have no
 * multipart uploads that are given up by themselves, or no keys of this kind.
 */
function bucketProblem(bucket: string): string | undefined {
  if (bucket.length < 3 || bucket.length > 63) return "its name has 3 to 63 characters";
  if (!/^[a-z0-9.-]*$/.test(bucket)) return "its name has lower-case letters, digits, dots and hyphens only";
  if (!/^[a-z0-9].*[a-z0-9]$/.test(bucket)) return "its name begins and ends with a letter or a digit";
  if (bucket.includes("..")) return "its name has no two dots side by side";
  if (/^\d+\.\d+\.\d+\.\d+$/.test(bucket)) return "its name is no IP address";
  const start = RESERVED_STARTS.find((reserved) => bucket.startsWith(reserved));
  if (start !== undefined) return `no name begins with ${start}`;
  const end = RESERVED_ENDS.find((reserved) => bucket.endsWith(reserved));
  return end === undefined ? undefined : `no general purpose bucket has a name that ends with ${end}`;
}

const RESERVED_STARTS = ["xn--", "sthree-", "amzn-s3-demo-"] as const;
const RESERVED_ENDS = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"] as const;

const MOST_CHARACTERS = 500;

/** A key has 1,024 bytes at most, and these characters mean the same everywhere (object-keys.html of the same guide). */
function prefixProblem(prefix: string): string | undefined {
  if (prefix.length > MOST_CHARACTERS) return `must have a prefix of at most ${MOST_CHARACTERS} characters`;
  if (!/^[A-Za-z0-9!_.*'()/-]*$/.test(prefix))
    return "must have letters, digits and ! - _ . * ' ( ) / only in its prefix";
  const parts = prefix.split("/");
  if (parts.includes("")) return "must have no two slashes side by side in its prefix";
  return parts.some((part) => part === "." || part === "..") ? "must have no part . or .. in its prefix" : undefined;
}
