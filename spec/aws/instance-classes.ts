/** What an instance class has. Memory is the nominal one; RDS keeps some per cent of it for itself. */
export interface InstanceClass {
  readonly vcpus: number;
  readonly memoryGib: number;
}

/**
 * Families of instance classes for PostgreSQL, by memory for each vCPU, from the tables "Hardware specifications for DB
 * instance classes" of the RDS user guide (Concepts.DBInstanceClass.Summary). A size has as many vCPUs in each family.
 */
const FAMILIES: readonly (readonly [families: readonly string[], gibPerVcpu: number, sizes: readonly string[]])[] = [
  [["m6g", "m7g"], 4, ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"]],
  [["r6g", "r7g"], 8, ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"]],
  [["m8g"], 4, ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "48xlarge"]],
  [["r8g"], 8, ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "48xlarge"]],
  [["m6i"], 4, ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "32xlarge"]],
  [["r6i"], 8, ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "32xlarge"]],
  [["m7i"], 4, ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "48xlarge"]],
  [["r7i"], 8, ["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge", "48xlarge"]],
];

const VCPUS: Readonly<Record<string, number>> = {
  large: 2,
  xlarge: 4,
  "2xlarge": 8,
  "4xlarge": 16,
  "8xlarge": 32,
  "12xlarge": 48,
  "16xlarge": 64,
  "24xlarge": 96,
  "32xlarge": 128,
  "48xlarge": 192,
};

/** Burstable classes have two vCPUs up to large, whatever their memory. */
const BURSTABLE: Readonly<Record<string, InstanceClass>> = {
  micro: { vcpus: 2, memoryGib: 1 },
  small: { vcpus: 2, memoryGib: 2 },
  medium: { vcpus: 2, memoryGib: 4 },
  large: { vcpus: 2, memoryGib: 8 },
  xlarge: { vcpus: 4, memoryGib: 16 },
  "2xlarge": { vcpus: 8, memoryGib: 32 },
};

/** By name, such as `db.r7g.large`. */
export const INSTANCE_CLASSES: Readonly<Record<string, InstanceClass>> = Object.fromEntries([
  ...["t3", "t4g"].flatMap((family) =>
    Object.entries(BURSTABLE).map(([size, has]) => [`db.${family}.${size}`, has] as const),
  ),
  ...FAMILIES.flatMap(([families, gibPerVcpu, sizes]) =>
    families.flatMap((family) =>
      sizes.map((size) => {
        const vcpus = VCPUS[size] ?? 0;
        return [`db.${family}.${size}`, { vcpus, memoryGib: vcpus * gibPerVcpu }] as const;
      }),
    ),
  ),
]);
