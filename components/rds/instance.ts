import type { Instance } from "@pulumi/aws/rds/instance.js";
import type { ParameterGroup } from "@pulumi/aws/rds/parameterGroup.js";
import type { SubnetGroup } from "@pulumi/aws/rds/subnetGroup.js";
import type { SecurityGroup } from "@pulumi/aws/ec2/securityGroup.js";
import type * as pulumi from "@pulumi/pulumi";
import { CRON_DATABASE } from "../../converge/session.ts";
import { groupParameters } from "../../spec/aws/parameters.ts";
import { majorVersion, type RdsCell } from "../../spec/aws/rds-cell.ts";
import { MASTER_USER } from "../../spec/aws/rds-fields.ts";
import { aws } from "./sdk.ts";

/** PostgreSQL's port, which RDS takes too. */
const PORT = 5432;

/** Days that Database Insights keeps: the advanced mode asks for 15 months. */
const INSIGHTS_DAYS = { standard: 7, advanced: 465 } as const;

/** Makes the instance of a cell, with what it needs around it. */
export function createInstance(spec: RdsCell, options: pulumi.CustomResourceOptions): Instance {
  const parameters = createParameterGroup(spec, options);
  const subnets = createSubnetGroup(spec, options);
  const access = createSecurityGroup(spec, options);
  return makeInstance(spec, { parameters, subnets, access }, options);
}

/**
 * Its name is given by Pulumi: another family makes another group before the instance lets go of the old one, which RDS would
 * not delete before.
 */
function createParameterGroup(spec: RdsCell, options: pulumi.CustomResourceOptions): ParameterGroup {
  const { ParameterGroup } = aws.parameterGroup();
  return new ParameterGroup(
    `${spec.name}-parameters`,
    {
      region: spec.region,
      family: `postgres${majorVersion(spec)}`,
      description: `merchant-jobs: cell ${spec.name}`,
      parameters: [...groupParameters(spec.parameters)],
      tags: tagsOf(spec),
    },
    options,
  );
}

function createSubnetGroup(spec: RdsCell, options: pulumi.CustomResourceOptions): SubnetGroup {
  const { SubnetGroup } = aws.subnetGroup();
  return new SubnetGroup(
    `${spec.name}-subnets`,
    {
      region: spec.region,
      subnetIds: [...spec.subnetIds],
      description: `merchant-jobs: cell ${spec.name}`,
      tags: tagsOf(spec),
    },
    options,
  );
}

/** Lets the clients in, and nothing out: pg_cron and the jobs call nobody. */
function createSecurityGroup(spec: RdsCell, options: pulumi.CustomResourceOptions): SecurityGroup {
  const { SecurityGroup } = aws.securityGroup();
  const { SecurityGroupIngressRule } = aws.ingressRule();
  const { region } = spec;
  const group = new SecurityGroup(
    `${spec.name}-access`,
    { region, vpcId: spec.vpcId, description: `merchant-jobs: cell ${spec.name}`, tags: tagsOf(spec) },
    options,
  );
  for (const client of spec.clients) {
    const who = client.startsWith("sg-") ? { referencedSecurityGroupId: client } : { cidrIpv4: client };
    new SecurityGroupIngressRule(
      `${spec.name}-from-${client.replaceAll(/[./]/g, "-")}`,
      {
        region,
        securityGroupId: group.id,
        ipProtocol: "tcp",
        fromPort: PORT,
        toPort: PORT,
        ...who,
        tags: tagsOf(spec),
      },
      options,
    );
  }
  return group;
}

interface Around {
  readonly parameters: ParameterGroup;
  readonly subnets: SubnetGroup;
  readonly access: SecurityGroup;
}

function makeInstance(spec: RdsCell, around: Around, options: pulumi.CustomResourceOptions): Instance {
  const { Instance } = aws.instance();
  const { kmsKeyId } = spec;
  return new Instance(
    `${spec.name}-instance`,
    {
      region: spec.region,
      identifier: spec.identifier,
      instanceClass: spec.instanceClass,
      tags: tagsOf(spec),
      // The engine. A minor version is a line of a pull request, and nothing that a night brings.
      engine: "postgres",
      engineVersion: spec.engineVersion,
      autoMinorVersionUpgrade: false,
      allowMajorVersionUpgrade: spec.allowMajorVersionUpgrade ?? false,
      parameterGroupName: around.parameters.name,
      // The cron database is there at the first boot, so that pg_cron's launcher finds it.
      dbName: CRON_DATABASE,
      // What `up` says is done when it ends, and does not wait for the maintenance window.
      applyImmediately: true,
      maintenanceWindow: spec.maintenanceWindow,
      // Who logs in. RDS keeps the password of the master user, and changes it.
      username: MASTER_USER,
      manageMasterUserPassword: true,
      ...(kmsKeyId !== undefined && { masterUserSecretKmsKeyId: kmsKeyId }),
      iamDatabaseAuthenticationEnabled: true,
      caCertIdentifier: spec.caCertificate,
      // Where it is.
      port: PORT,
      publiclyAccessible: false,
      dbSubnetGroupName: around.subnets.name,
      vpcSecurityGroupIds: [around.access.id],
      multiAz: spec.multiAz,
      // What it is kept on.
      storageType: "gp3",
      allocatedStorage: spec.storageGib,
      maxAllocatedStorage: spec.maxStorageGib,
      storageEncrypted: true,
      ...(kmsKeyId !== undefined && { kmsKeyId }),
      // What is left of it, whatever happens.
      backupRetentionPeriod: spec.backupDays,
      backupWindow: spec.backupWindow,
      copyTagsToSnapshot: true,
      deleteAutomatedBackups: false,
      deletionProtection: spec.expendable === undefined,
      skipFinalSnapshot: false,
      finalSnapshotIdentifier: `${spec.identifier}-final`,
      // What is seen of it.
      databaseInsightsMode: spec.databaseInsights,
      performanceInsightsEnabled: true,
      performanceInsightsRetentionPeriod: INSIGHTS_DAYS[spec.databaseInsights],
      ...(kmsKeyId !== undefined && { performanceInsightsKmsKeyId: kmsKeyId }),
      enabledCloudwatchLogsExports: ["postgresql", "upgrade"],
    },
    options,
  );
}

function tagsOf(spec: RdsCell): Record<string, string> {
  return { "merchant-jobs:cell": spec.name };
}
