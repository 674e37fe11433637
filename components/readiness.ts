import path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { readAdministratorSql } from "../converge/aws/administrator.ts";
import type { AdoptedCell } from "../spec/aws/adopted-cell.ts";
import { staticParameters } from "../spec/aws/parameters.ts";
import type { RdsCell } from "../spec/aws/rds-cell.ts";
import type { ReadinessInputs } from "./providers/readiness.ts";
import { providerStub } from "./stub.ts";

/**
 * Whether an instance on RDS has in force what its jobs need, by a reboot where that is allowed; and, of one that the stack
 * makes, its administrator. Everything in the cell comes after it.
 */
export class Readiness extends pulumi.dynamic.Resource {
  constructor(cell: RdsCell | AdoptedCell, options: pulumi.CustomResourceOptions) {
    const inputs: ReadinessInputs = {
      cell: cell.name,
      finds: {},
      // A change of one is a change of this resource, which then looks whether it is in force.
      ...(cell.kind === "rds" && {
        parameters: staticParameters(cell.parameters),
        administrator: readAdministratorSql(path.join(import.meta.dirname, "..", "sql")).sha256,
      }),
    };
    super(providerStub("readiness"), `${cell.name}-readiness`, inputs, options, "merchant-jobs", "Readiness");
  }
}
