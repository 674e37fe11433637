import type { Path, Report } from "../report.ts";
import { ADOPTED_FIELDS } from "./rds-fields.ts";
import { checkKey, commonOf, type OnRds, readClass } from "./rds-cell.ts";

/** How the administrator of an adopted instance logs in: by an IAM token, or by a secret of AWS Secrets Manager. */
export type RdsCredential = "iam" | { readonly secret: string };

/** An RDS instance that exists: nothing of it is made or changed, and what it lacks is said. */
export interface AdoptedCell extends OnRds {
  readonly kind: "adopted";
  readonly host: string;
  /** Default 5432. */
  readonly port: number;
  /** Default iam. */
  readonly credential: RdsCredential;
  /** A file of certificates (PEM) to verify the server with. Default: Amazon's. */
  readonly caFile?: string;
  /** For the sizing, which is left out without it. */
  readonly instanceClass?: string;
  /** The ARN of the key that encrypts its applications' secrets. Default: the account's key for Secrets Manager. */
  readonly kmsKeyId?: string;
}

const EXAMPLE = "{kind: adopted, region: …, identifier: …, host: …}";

/** Reads a cell on an instance that exists; undefined when something is missing without which it is none. */
export function parseAdoptedCell(report: Report, path: Path, name: string, raw: unknown): AdoptedCell | undefined {
  const fields = report.readFields(path, raw, ADOPTED_FIELDS, EXAMPLE);
  if (fields === undefined) return undefined;
  const instanceClass = readClass(report, [...path, "instanceClass"], fields.instanceClass);
  const { host, identifier, caFile, credential = "iam", port = 5432, kmsKeyId } = fields;
  const common = identifier === undefined ? undefined : commonOf(report, path, name, "password", fields);
  if (credential !== "iam" && fields.appLogin === "iam") {
    // Who makes a role is a member of it from PostgreSQL 16 on, and RDS asks IAM of every member of rds_iam, by any way.
    const rule =
      "cannot be iam where the administrator has a password: from PostgreSQL 16 on it could not log in any more";
    report.add(
      [...path, "appLogin"],
      fields.appLogin,
      rule,
      "leave credential out for iam, or write appLogin: secret or password",
    );
  }
  checkKey(report, path, fields.region, kmsKeyId);
  if (kmsKeyId !== undefined && fields.appLogin !== "secret") {
    const rule = "encrypts nothing: an adopted instance keeps its own key, and no secret is made for its applications";
    report.add([...path, "kmsKeyId"], kmsKeyId, rule, "take it out, or write appLogin: secret");
  }
  if (host === undefined || common === undefined) return undefined;
  return {
    ...common,
    kind: "adopted",
    host,
    port,
    credential,
    ...(caFile !== undefined && { caFile }),
    ...(instanceClass !== undefined && { instanceClass }),
    ...(kmsKeyId !== undefined && { kmsKeyId }),
  };
}
