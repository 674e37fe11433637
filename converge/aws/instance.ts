import { ConvergeError } from "../errors.ts";
import { awsErrorName, awsFailure, rdsClient } from "./clients.ts";

/** Which instance of RDS a cell is. */
export interface InstanceName {
  readonly cell: string;
  readonly region: string;
  readonly identifier: string;
}

/** What RDS says of an instance. */
export interface InstanceFacts extends InstanceName {
  readonly host: string;
  readonly port: number;
  /** `available`, `rebooting`, `modifying`, … */
  readonly status: string;
  readonly multiAz: boolean;
  readonly iamLogin: boolean;
  /** The secret in which RDS keeps the master user's password; undefined when it does not. */
  readonly masterSecret?: string;
  readonly parameterGroup: string;
  /** `in-sync`, `pending-reboot`, `applying`, … */
  readonly parameterStatus: string;
}

/**
 * Asks RDS for an instance. Throws `not_connected` when there is none or it has no address yet, `no_credential`, `cannot_look`.
 */
export async function readInstance(name: InstanceName): Promise<InstanceFacts> {
  const { cell, region, identifier } = name;
  const { sdk, client } = await rdsClient(region);
  const found = await client
    .send(new sdk.DescribeDBInstancesCommand({ DBInstanceIdentifier: identifier }))
    .catch((error: unknown) => {
      if (awsErrorName(error)?.startsWith("DBInstanceNotFound")) return { DBInstances: [] };
      throw awsFailure(cell, "rds:DescribeDBInstances", error);
    });
  const instance = found.DBInstances?.[0];
  const [group] = instance?.DBParameterGroups ?? [];
  const host = instance?.Endpoint?.Address;
  if (instance === undefined || host === undefined) {
    const what = instance === undefined ? "is not there" : `has no address yet (${instance.DBInstanceStatus ?? "?"})`;
    throw new ConvergeError(
      "not_connected",
      `cell ${cell}: the instance ${identifier} ${what} in ${region}; is this its identifier, and its region?`,
    );
  }
  const masterSecret = instance.MasterUserSecret?.SecretArn;
  return {
    ...name,
    host,
    port: instance.Endpoint?.Port ?? 5432,
    status: instance.DBInstanceStatus ?? "unknown",
    multiAz: instance.MultiAZ ?? false,
    iamLogin: instance.IAMDatabaseAuthenticationEnabled ?? false,
    parameterGroup: group?.DBParameterGroupName ?? "",
    parameterStatus: group?.ParameterApplyStatus ?? "unknown",
    ...(masterSecret !== undefined && { masterSecret }),
  };
}

/** The values of a parameter group, by name; those without one are left out. Throws `no_credential`, `cannot_look`. */
export async function readGroup(instance: InstanceFacts): Promise<Readonly<Record<string, string>>> {
  const { cell, region, parameterGroup } = instance;
  const { sdk, client } = await rdsClient(region);
  const values: Record<string, string> = {};
  try {
    const pages = sdk.paginateDescribeDBParameters({ client }, { DBParameterGroupName: parameterGroup });
    for await (const { Parameters = [] } of pages) {
      for (const { ParameterName: name, ParameterValue: value } of Parameters) {
        if (name !== undefined && value !== undefined) values[name] = value;
      }
    }
  } catch (error) {
    throw awsFailure(cell, "rds:DescribeDBParameters", error);
  }
  return values;
}

/** Where an instance is, asked once in the life of the process: its address does not change. */
const endpoints = new Map<string, Promise<InstanceFacts>>();

/** Host and port of an instance. Throws as `readInstance`. */
export function endpointOf(name: InstanceName): Promise<InstanceFacts> {
  const key = `${name.region}/${name.identifier}`;
  const known = endpoints.get(key) ?? readInstance(name);
  endpoints.set(key, known);
  known.catch(() => endpoints.delete(key));
  return known;
}
