import { createRequire, Module } from "node:module";

/**
 * Lets a CommonJS module be loaded when something of it is used, and not when it is required: what stands in require.cache
 * is taken for loaded (https://nodejs.org/api/modules.html#requirecache).
 */
export function loadLate(require: NodeJS.Require, id: string): void {
  const file = require.resolve(id);
  let loaded: object | undefined;
  const load = (): object => {
    if (loaded === undefined) {
      Reflect.deleteProperty(require.cache, file);
      loaded = require(file) as object;
    }
    return loaded;
  };
  const late = new Module(file);
  late.filename = file;
  late.loaded = true;
  late.exports = new Proxy(
    {},
    {
      // TypeScript's __importStar copies all of what says no to this, which would load it.
      get: (_, key) => key === "__esModule" || (Reflect.get(load(), key) as unknown),
      has: (_, key) => Reflect.has(load(), key),
    },
  );
  require.cache[file] = late;
}

/** Requires as the SDK's own main module does, found from one of its commands (cmd/run, cmd/dynamic-provider). */
export function requireOfSdk(command = ""): NodeJS.Require {
  return createRequire(createRequire(command).resolve("../.."));
}
