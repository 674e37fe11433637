import { MERCHANT_TAG } from "../../converge/aws/app-secret-plan.ts";
import type { TestSecret } from "../aws/secrets.ts";

/** Somebody who may change the secret of an application, and its role. In statements `$app` stands for that. */
export interface SecretHand {
  readonly secret: TestSecret;
  readonly sql: (statement: string) => Promise<void>;
}

/** One thing that somebody can change by hand where `appLogin` is `secret`: test/long/app-secret.test.ts does each. */
export interface SecretKind {
  readonly kind: string;
  by(hand: SecretHand): Promise<unknown>;
  /** What is found of the secret. */
  readonly shows: string;
  /** Whether the application's password is the same after `up --refresh`; undefined where that refuses. */
  readonly keeps: boolean | undefined;
  /** A part of the reason. */
  readonly refused?: string;
}

export const secretKinds: readonly SecretKind[] = [
  {
    kind: "another password given to the role, and not to its secret",
    by: ({ sql }) => sql("alter role $app password 'of somebody'"),
    shows: "its password is refused by the server",
    keeps: true,
  },
  {
    kind: "the role's password taken away",
    by: ({ sql }) => sql("alter role $app password null"),
    shows: "its password is refused by the server",
    keeps: true,
  },
  {
    kind: "the role's password made to expire",
    by: ({ sql }) => sql("alter role $app valid until '2020-01-01'"),
    shows: "its password is refused by the server",
    keeps: true,
  },
  {
    kind: "the secret's value overwritten by no password",
    by: ({ secret }) => secret.write("hunter2"),
    shows: "has no password of $app",
    keeps: false,
  },
  {
    kind: "the secret's value overwritten by that of another role",
    by: ({ secret }) => secret.change({ username: "somebody" }),
    shows: "has no password of $app",
    keeps: false,
  },
  {
    kind: "a host and a database in the secret that are not the cell's",
    by: ({ secret }) => secret.change({ host: "old.example.com", dbname: "old" }),
    shows: "host, dbname are not the cell's",
    keeps: true,
  },
  {
    kind: "the secret encrypted by another key",
    by: ({ secret }) => secret.encryptBy("arn:aws:kms:eu-central-1:123456789012:key/ffffffff"),
    shows: "encrypted by arn:aws:kms:eu-central-1:123456789012:key/ffffffff",
    keeps: true,
  },
  {
    kind: "the secret scheduled for deletion",
    by: ({ secret }) => secret.delete("later"),
    shows: "scheduled for deletion",
    keeps: false,
  },
  {
    kind: "the secret deleted for good",
    by: ({ secret }) => secret.delete("now"),
    shows: "gone",
    keeps: false,
  },
  {
    kind: "the secret's tag with the merchant taken away",
    by: ({ secret }) => secret.tag(MERCHANT_TAG, undefined),
    shows: `not of merchant $id by its tag ${MERCHANT_TAG}`,
    keeps: undefined,
    refused: "that was not made for it; nothing of it was changed",
  },
];
