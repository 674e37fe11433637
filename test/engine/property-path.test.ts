import { describe, expect, test } from "vitest";

import { keepOld, parsePropertyPath } from "../../local/engine/property-path.ts";
import { asSecret as secret } from "../../local/engine/values.ts";

describe("ignoreChanges keeps what is at its paths as it was (properties_path.go, reset)", () => {
  test.for([
    ["size", { size: 2, other: 2 }, { size: 1, other: 1 }, { size: 1, other: 2 }],
    ["size", { size: 2 }, {}, {}],
    ["size", {}, { size: 1 }, { size: 1 }],
    ["a.b", { a: { b: 2, c: 2 } }, { a: { b: 1, c: 1 } }, { a: { b: 1, c: 2 } }],
    ['a["b.c"]', { a: { "b.c": 2 } }, { a: { "b.c": 1 } }, { a: { "b.c": 1 } }],
    ["list[1]", { list: [3, 4] }, { list: [1, 2] }, { list: [3, 2] }],
    ["list[*].x", { list: [{ x: 2, y: 2 }] }, { list: [{ x: 1, y: 1 }] }, { list: [{ x: 1, y: 2 }] }],
    ["a.b", { c: 1 }, { a: { b: 1 } }, { c: 1 }],
    ["*", { a: 2, b: 2 }, { a: 1, b: 1 }, { a: 1, b: 1 }],
    ["*", { a: 2, b: 2 }, { a: 1, c: 1 }, { a: 1, c: 1 }],
    ["a.b", { a: { b: 2 } }, {}, { a: {} }],
    ["a.b.c", { a: { b: { c: 2 } } }, {}, { a: { b: { c: 2 } } }],
    ["a.*.b", { a: { x: { b: 2 }, y: { b: 2 } } }, { a: { x: { b: 1 } } }, { a: { x: { b: 1 }, y: { b: 2 } } }],
    ["list[1]", { list: [3, 4] }, { list: [1] }, { list: [3, 4] }],
    ["a.b", { a: secret({ b: 2, c: 2 }) }, { a: secret({ b: 1, c: 1 }) }, { a: secret({ b: 1, c: 2 }) }],
    ["a.b", { a: { b: 2, c: 2 } }, { a: secret({ b: 1, c: 1 }) }, { a: { b: secret(1), c: 2 } }],
  ] as const)("%s", ([path, news, olds, kept]) => {
    expect(keepOld(news, olds, [path])).toEqual(kept);
  });
});

describe("a property path is read as the CLI reads it (property_path.go)", () => {
  test.for([
    ["root", ["root"]],
    ["root.nested", ["root", "nested"]],
    ['root["nested"]', ["root", "nested"]],
    ["root.array[0].nested", ["root", "array", "0", "nested"]],
    ['root["key with \\"escaped\\" quotes"].nested', ["root", 'key with "escaped" quotes', "nested"]],
    ["root.array[*].field", ["root", "array", "*", "field"]],
  ] as const)("%s", ([path, keys]) => {
    expect(parsePropertyPath(path)).toEqual(keys);
  });
});
