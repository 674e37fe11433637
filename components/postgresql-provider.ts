import type { Instance } from "@pulumi/aws/rds/instance.js";
import * as postgresql from "@pulumi/postgresql";
import * as pulumi from "@pulumi/pulumi";
import { type PlacedCell, RDS_AUTHORITIES, resolveEndpoint, resolvePassword } from "../converge/address.ts";
import { secretPassword } from "../converge/aws/passwords.ts";
import type { AdoptedCell } from "../spec/aws/adopted-cell.ts";
import type { RdsCell } from "../spec/aws/rds-cell.ts";

/** Gives a secret of the stack's configuration as an output that stays secret. */
export type SecretReader = (key: string) => pulumi.Output<string>;

/** The provider of roles and databases on a server that exists. */
export function createProvider(spec: PlacedCell, secret: SecretReader, options: pulumi.ResourceOptions) {
  const { host, port, user: username, tls: sslmode, caFile } = resolveEndpoint(spec);
  const authorities = caFile === undefined ? {} : { sslrootcert: caFile };
  const settings = { host, port, username, sslmode, ...authorities, ...credentialOf(spec, secret), ...COMMON };
  return new postgresql.Provider(spec.name, settings, options);
}

/** The provider of roles and databases on an instance that the stack makes: its address is known when it is there. */
export function createInstanceProvider(spec: RdsCell, instance: Instance, options: pulumi.ResourceOptions) {
  const { address: host, port } = instance;
  const settings = { host, port, username: spec.admin, sslmode: "verify-full", sslrootcert: RDS_AUTHORITIES };
  return new postgresql.Provider(spec.name, { ...settings, ...iamOf(spec), ...COMMON }, options);
}

const COMMON = { superuser: false, connectTimeout: 10 };

/**
 * A password is the one credential that the state holds, encrypted: the provider's plugin takes it in no other way. By IAM it
 * makes its own tokens, with the credentials of the process, and the state holds none.
 */
function credentialOf(spec: PlacedCell, secret: SecretReader): postgresql.ProviderArgs {
  if (spec.kind === "adopted") {
    if (spec.credential === "iam") return iamOf(spec);
    const { name: cell, region, admin: user, credential } = spec;
    return { password: pulumi.secret(secretPassword({ cell, region, user }, credential.secret).current()) };
  }
  const fromConfig = spec.kind === "server" && "config" in spec.credential ? spec.credential.config : undefined;
  return { password: fromConfig === undefined ? pulumi.secret(resolvePassword(spec)) : secret(fromConfig) };
}

function iamOf({ region }: RdsCell | AdoptedCell): postgresql.ProviderArgs {
  return { awsRdsIamAuth: true, awsRdsIamRegion: region };
}
