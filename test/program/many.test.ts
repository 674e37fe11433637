import { test } from "vitest";
import { onboardThirty } from "../many-case.ts";

test("thirty merchants in one up, with the default parallelism and without one retry", onboardThirty);
