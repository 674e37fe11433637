import * as pulumi from "@pulumi/pulumi";
import type { AccessInputs } from "./providers/access.ts";
import { providerStub } from "./stub.ts";

/** The application role and the job role of a merchant, the memberships that converging needs, and the application's secret. */
export class Access extends pulumi.dynamic.Resource {
  constructor(name: string, inputs: Omit<AccessInputs, "differs">, options: pulumi.CustomResourceOptions) {
    super(providerStub("access"), name, { ...inputs, differs: {} }, options, "merchant-jobs", "Access");
  }
}
