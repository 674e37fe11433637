import type { CellSpec } from "../cells.ts";

/** How applications log in to a cell on RDS: by IAM, by a secret that `up` makes, or by a password that nobody here sees. */
export const APP_LOGINS = ["iam", "secret", "password"] as const;

export type AppLogin = (typeof APP_LOGINS)[number];

/** The secret of Secrets Manager that a merchant's application logs in with. */
export interface AppSecret {
  readonly region: string;
  readonly name: string;
  /** The ARN of the key that encrypts it. Left out: the account's key for Secrets Manager. */
  readonly kmsKeyId?: string | undefined;
}

/** What is declared of how a merchant's application logs in; nothing where it has a password. */
export type DeclaredLogin =
  { readonly appLogin: "iam" } | { readonly secret: AppSecret } | { readonly appLogin?: undefined };

/**
 * How a merchant's application logs in. The secret is named after the instance and not the cell: two stacks of one account
 * may have a cell of the same name, and never the same instance.
 */
export function appLoginOf(cell: CellSpec, merchant: string): DeclaredLogin {
  if (cell.kind !== "rds" && cell.kind !== "adopted") return {};
  switch (cell.appLogin) {
    case "iam":
      return { appLogin: "iam" };
    case "secret": {
      const { region, identifier, kmsKeyId } = cell;
      const name = `merchant-jobs/${identifier}/${merchant}/app`;
      return { secret: { region, name, ...(kmsKeyId !== undefined && { kmsKeyId }) } };
    }
    case "password":
      return {};
    default:
      return cell.appLogin satisfies never;
  }
}
