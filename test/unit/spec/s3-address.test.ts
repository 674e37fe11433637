import { describe, expect, test } from "vitest";
import { isS3Address, parseS3Address } from "../../../spec/s3-address.ts";

const form = "must have the form s3://bucket/prefix";

describe("an address of S3 is refused:", () => {
  test.for<[string, string, string]>([
    ["no slashes", "s3:exports", form],
    ["one slash", "s3:/exports/x", form],
    ["in capitals", "S3://exports/x", form],
    ["no bucket", "s3://", "3 to 63 characters"],
    ["a short name", "s3://ab/x", "3 to 63 characters"],
    ["a long name", `s3://${"a".repeat(64)}`, "3 to 63 characters"],
    ["a capital letter", "s3://Exports/x", "lower-case letters, digits, dots and hyphens only"],
    ["an underline", "s3://our_exports", "lower-case letters, digits, dots and hyphens only"],
    ["a line break", "s3://exports\n/x", "lower-case letters, digits, dots and hyphens only"],
    ["an access point", "s3://arn:aws:s3:eu-central-1:123456789012:accesspoint/x", "lower-case letters"],
    ["a credential", "s3://key:secret@exports/x", "lower-case letters, digits, dots and hyphens only"],
    ["a hyphen at the end", "s3://exports-/x", "begins and ends with a letter or a digit"],
    ["two dots", "s3://our..exports/x", "no two dots side by side"],
    ["an IP address", "s3://192.168.5.4/x", "is no IP address"],
    ["a reserved beginning", "s3://xn--exports", "no name begins with xn--"],
    ["a directory bucket", "s3://exports--euc1-az1--x-s3/x", "ends with --x-s3"],
    ["two slashes", "s3://exports/a//b", "no two slashes side by side"],
    ["a slash first", "s3://exports//b", "no two slashes side by side"],
    ["a way up", "s3://exports/a/../b", "no part . or .."],
    ["a blank", "s3://exports/a b", "letters, digits and"],
    ["a query", "s3://exports/a?versionId=1", "letters, digits and"],
    ["a letter of many bytes", "s3://exports/händler", "letters, digits and"],
    ["a line break in the prefix", "s3://exports/a\n", "letters, digits and"],
    ["a long prefix", `s3://exports/${"a".repeat(501)}`, "at most 500 characters"],
  ])("%s", ([, address, rule]) => {
    expect(isS3Address(address)).toBe(true);
    expect(parseS3Address(address)).toEqual({ problem: expect.stringContaining(rule) as string });
  });
});

test("a bucket with or without a prefix is read, with or without a slash at its end", () => {
  expect(parseS3Address("s3://our-exports")).toEqual({ bucket: "our-exports", prefix: "" });
  expect(parseS3Address("s3://our-exports/")).toEqual({ bucket: "our-exports", prefix: "" });
  expect(parseS3Address("s3://our.exports/2026")).toEqual({ bucket: "our.exports", prefix: "2026/" });
  expect(parseS3Address("s3://e3x/a/b-c_d/")).toEqual({ bucket: "e3x", prefix: "a/b-c_d/" });
  expect(isS3Address("exports/s3:x")).toBe(false);
});
