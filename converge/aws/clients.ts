import { ConvergeError, messageOf } from "../errors.ts";

/**
 * Clients of the AWS SDK, loaded when a cell on RDS is first met: who has none pays nothing. They find their credentials as
 * the AWS command line does, and another endpoint by AWS_ENDPOINT_URL.
 */
const clients = new Map<string, Promise<unknown>>();

/** The client of RDS for a region, with the module of its commands. */
export function rdsClient(region: string) {
  return once(`rds ${region}`, async () => {
    const sdk = await import("@aws-sdk/client-rds");
    return { sdk, client: new sdk.RDSClient({ region }) };
  });
}

/** The client of Secrets Manager for a region, with the module of its commands. */
export function secretsClient(region: string) {
  return once(`secrets ${region}`, async () => {
    const sdk = await import("@aws-sdk/client-secrets-manager");
    return { sdk, client: new sdk.SecretsManagerClient({ region }) };
  });
}

function once<T>(key: string, make: () => Promise<T>): Promise<T> {
  const known = clients.get(key) as Promise<T> | undefined;
  if (known !== undefined) return known;
  const made = make();
  clients.set(key, made);
  return made;
}

/** The name of an error of AWS, such as `AccessDeniedException`; undefined for any other. */
export function awsErrorName(error: unknown): string | undefined {
  return error instanceof Error && "$fault" in error ? error.name : undefined;
}

/**
 * What a failed call to AWS means for a cell. `no_credential` when it was not let in, else `cannot_look`. The message of
 * AWS names the caller and the action, and holds no credential.
 */
export function awsFailure(cell: string, action: string, error: unknown): ConvergeError {
  const name = awsErrorName(error);
  const refused =
    name === undefined ? false : /AccessDenied|UnrecognizedClient|InvalidClientToken|ExpiredToken/.test(name);
  const missing = error instanceof Error && error.name === "CredentialsProviderError";
  const way = missing
    ? "give the process credentials of AWS, as for the AWS command line"
    : refused
      ? `let these credentials do ${action} (docs/production.md)`
      : "see whether the region is right, and whether AWS can be reached from here";
  return new ConvergeError(
    missing || refused ? "no_credential" : "cannot_look",
    `cell ${cell}: ${action} failed: ${messageOf(error)}; ${way}`,
    { cause: error },
  );
}
