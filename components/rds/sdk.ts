import { createRequire } from "node:module";
import type * as SecurityGroups from "@pulumi/aws/ec2/securityGroup.js";
import type * as Instances from "@pulumi/aws/rds/instance.js";
import type * as ParameterGroups from "@pulumi/aws/rds/parameterGroup.js";
import type * as SubnetGroups from "@pulumi/aws/rds/subnetGroup.js";
import type * as IngressRules from "@pulumi/aws/vpc/securityGroupIngressRule.js";

const load = createRequire(import.meta.url);

/**
 * The resources of @pulumi/aws that a cell needs, each from its own module and when the first cell on RDS is met: these five
 * take 17 ms where the whole package takes half a second, and most stacks of a laptop have no such cell.
 */
export const aws = {
  instance: () => load("@pulumi/aws/rds/instance.js") as typeof Instances,
  parameterGroup: () => load("@pulumi/aws/rds/parameterGroup.js") as typeof ParameterGroups,
  subnetGroup: () => load("@pulumi/aws/rds/subnetGroup.js") as typeof SubnetGroups,
  securityGroup: () => load("@pulumi/aws/ec2/securityGroup.js") as typeof SecurityGroups,
  ingressRule: () => load("@pulumi/aws/vpc/securityGroupIngressRule.js") as typeof IngressRules,
};
