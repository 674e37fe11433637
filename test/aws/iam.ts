import type { Moto } from "./moto.ts";

/** What a user of a stand-in for AWS logs in with. */
export type TestUser = Readonly<Record<"AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY", string>>;

/** Makes a user who may do what the statements of a policy say, and nothing else. */
export async function makeUser(moto: Moto, name: string, statements: readonly object[]): Promise<TestUser> {
  await ask(moto, { Action: "CreateUser", UserName: name });
  const policy = { Version: "2012-10-17", Statement: statements };
  const PolicyDocument = JSON.stringify(policy);
  await ask(moto, { Action: "PutUserPolicy", UserName: name, PolicyName: "all", PolicyDocument });
  const key = await ask(moto, { Action: "CreateAccessKey", UserName: name });
  const read = (tag: string) => new RegExp(`<${tag}>(.*)</${tag}>`).exec(key)?.[1] ?? "";
  return { AWS_ACCESS_KEY_ID: read("AccessKeyId"), AWS_SECRET_ACCESS_KEY: read("SecretAccessKey") };
}

/** Lets nobody in, while `work` lasts, but users who may do what they ask for. */
export async function withAuthorization<T>({ endpoint }: Moto, work: () => Promise<T>): Promise<T> {
  // How many requests are let through without being looked at.
  const letThrough = (requests: string) => fetch(`${endpoint}/moto-api/reset-auth`, { method: "POST", body: requests });
  await letThrough("0");
  try {
    return await work();
  } finally {
    await letThrough("Infinity");
  }
}

/** A request to IAM, which needs no signature as long as nobody is refused. */
async function ask({ endpoint }: Moto, values: Readonly<Record<string, string>>): Promise<string> {
  const Authorization =
    "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0";
  const body = new URLSearchParams({ ...values, Version: "2010-05-08" });
  const response = await fetch(endpoint, { method: "POST", headers: { Authorization }, body });
  const text = await response.text();
  if (!response.ok) throw new Error(`${values["Action"] ?? ""}: ${text}`);
  return text;
}
