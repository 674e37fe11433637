import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { scheduleDeletes } from "../../local/engine/deletes.ts";
import { neededBy, sortResources } from "../../local/engine/resource-state.ts";
import type { ResourceState } from "../../local/engine/resource-state.ts";

/** Resources that each need some of those before them, as parent, dependency or provider. */
const states = fc
  .array(fc.array(fc.tuple(fc.nat(), fc.constantFrom("parent", "dependencies", "provider")), { maxLength: 4 }), {
    minLength: 1,
    maxLength: 25,
  })
  .map((rows) =>
    rows.map((needs, i): ResourceState => {
      const of = (kind: string) => needs.flatMap(([n, k]) => (k === kind && i > 0 ? [`urn:${n % i}`] : []));
      const [parent] = of("parent");
      const [provider] = of("provider");
      return {
        urn: `urn:${i}`,
        custom: true,
        type: "t",
        parent,
        provider: provider && `${provider}::id`,
        dependencies: of("dependencies"),
      };
    }),
  );
const shuffled = states.chain((all) => fc.shuffledSubarray(all, { minLength: all.length }));

describe("the order of resources", () => {
  test("in the state each comes after all that it needs", () => {
    fc.assert(
      fc.property(shuffled, (all) => {
        const sorted = sortResources(all).map((state) => state.urn);
        expect([...sorted].sort()).toEqual(all.map((state) => state.urn).sort());
        for (const state of all) {
          for (const urn of neededBy(state)) expect(sorted.indexOf(urn)).toBeLessThan(sorted.indexOf(state.urn));
        }
      }),
    );
  });

  test("each is deleted in a round after all that need it, and each once", () => {
    fc.assert(
      fc.property(shuffled, (all) => {
        const rounds = scheduleDeletes(all).map((round) => round.map((state) => state.urn));
        expect(rounds.flat().sort()).toEqual(all.map((state) => state.urn).sort());
        const roundOf = (urn: string) => rounds.findIndex((round) => round.includes(urn));
        for (const state of all) {
          for (const urn of neededBy(state)) expect(roundOf(urn)).toBeGreaterThan(roundOf(state.urn));
        }
      }),
    );
  });
});
