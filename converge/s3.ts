import { ConvergeError, messageOf } from "./errors.ts";

/** What is done in S3, for whom, and until when. */
export interface S3Errand {
  readonly cell: string;
  readonly merchant: string;
  /** The address that errors name. */
  readonly address: string;
  /** As Date.now() gives it. */
  readonly until: number;
}

/** A way to S3. */
export type S3 = Awaited<ReturnType<typeof connectS3>>;

/** Milliseconds to connect, */
const CONNECTING = 10_000;
/** and without a byte on a connection; whoever restores builds indexes meanwhile. */
const SILENCE = 600_000;
/** Milliseconds that clearing away may take, whatever time is left. */
const CLEARING = 30_000;

/**
 * Connects with the credentials and the region of the AWS SDK's default chain. The SDK is loaded here: who exports to a
 * folder pays nothing for it. Throws `export_failed` where no region is set.
 */
export async function connectS3(errand: S3Errand) {
  const sdk = await import("@aws-sdk/client-s3");
  const client = new sdk.S3Client({
    // A bucket is where it was made, wherever the credentials are set up for.
    followRegionRedirects: true,
    requestHandler: { connectionTimeout: CONNECTING, socketTimeout: SILENCE },
  });
  const close = () => {
    client.destroy();
  };
  try {
    await client.config.region();
  } catch (error) {
    close();
    const way = "no region is set: set AWS_REGION, or the region of the profile";
    throw problem(errand, "be reached", way, error);
  }
  const signal = AbortSignal.timeout(Math.max(1, errand.until - Date.now()));
  return {
    sdk,
    /** Ends at the time limit. */
    signal,
    /** Sends a command. What cannot be done is thrown as `export_failed`: "s3://… cannot <what>". */
    async ask<T>(what: string, send: (to: typeof client, options: { abortSignal: AbortSignal }) => Promise<T>) {
      try {
        return await send(client, { abortSignal: signal });
      } catch (error) {
        throw explained(errand, what, error);
      }
    },
    /** Sends a command that clears something away, where that can be done. */
    async clear(send: (to: typeof client, options: { abortSignal: AbortSignal }) => Promise<unknown>) {
      await send(client, { abortSignal: AbortSignal.timeout(CLEARING) }).catch(() => undefined);
    },
    close,
  };
}

/** The code with which S3, or the SDK, refused what `ask` was to do: the `name` of the SDK's error. */
export function s3CodeOf(error: unknown): string | undefined {
  const cause = error instanceof ConvergeError ? error.cause : error;
  return cause instanceof Error ? cause.name : undefined;
}

/** What went wrong in S3, with the way out. The SDK's messages hold no secret; its requests, which do, are left out. */
export function explained(errand: S3Errand, what: string, error: unknown): ConvergeError {
  const name = error instanceof Error ? error.name : "";
  if (name === "AbortError") return problem(errand, what, "the time limit of the export was reached", error);
  const known = WAYS.find(({ names }) => names.some((start) => name.startsWith(start)));
  const said = [name === "Error" ? "" : name, messageOf(error)].filter((text) => text !== "").join(": ");
  return problem(errand, what, known === undefined ? said : `${said}: ${known.way}`, error);
}

function problem({ merchant, cell, address }: S3Errand, what: string, why: string, cause: unknown): ConvergeError {
  return new ConvergeError("export_failed", `merchant ${merchant} of cell ${cell}: ${address} cannot ${what}: ${why}`, {
    cause,
  });
}

/** By the beginning of the code (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html). */
const WAYS = [
  { names: ["NoSuchBucket"], way: "make the bucket, or name another one" },
  {
    names: ["AccessDenied", "AllAccessDisabled", "Forbidden", "AccountProblem"],
    way:
      "let these credentials s3:PutObject, s3:GetObject, s3:AbortMultipartUpload and s3:ListBucket there, and use the " +
      "bucket's KMS key if it has one",
  },
  { names: ["KMS"], way: "let these credentials kms:GenerateDataKey and kms:Decrypt with the bucket's key" },
  {
    names: ["CredentialsProviderError", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken"],
    way: "log in to AWS again, as for any program that uses its SDK",
  },
  { names: ["TokenRefreshRequired", "UnrecognizedClient"], way: "log in to AWS again" },
  { names: ["RequestTimeTooSkewed"], way: "set this machine's clock" },
  { names: ["PermanentRedirect", "AuthorizationHeaderMalformed"], way: "set AWS_REGION to the region of the bucket" },
  { names: ["InvalidObjectState"], way: "it was moved to an archive: restore it there first" },
  { names: ["PreconditionFailed", "ConditionalRequestConflict"], way: "that name is there: nothing was overwritten" },
  { names: ["NoSuchUpload"], way: "somebody, or a lifecycle rule, gave the upload up: run up again" },
  { names: ["EntityTooLarge", "InvalidArgument"], way: "exports of more than 1.6 TB need a folder" },
] as const;
