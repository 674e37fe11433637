import path from "node:path";
import tseslint from "typescript-eslint";

/**
 * What a file of each folder may import besides its own folder (docs/architecture.md, Data flow): imports go one way, and what
 * is not named here is refused. A folder inside another one has a line of its own where it may do less. The program is index.ts
 * and config.ts.
 */
const MAY_IMPORT = {
  spec: [],
  converge: ["spec"],
  "components/providers": ["spec", "converge"],
  components: ["spec", "converge", "components/providers"],
  program: ["spec", "converge", "components"],
  runner: ["spec", "converge"],
  // The stand-in for the CLI knows nothing of what it runs.
  "local/engine": [],
  local: ["spec", "converge", "components", "runner", "local/engine"],
  report: ["local", "local/engine"],
  "docs/make": ["spec"],
};

const partOf = (file) => {
  const relative = path.relative(import.meta.dirname, file);
  if (!relative.includes("/")) return "program";
  return Object.keys(MAY_IMPORT).find((folder) => relative.startsWith(`${folder}/`)) ?? relative.split("/")[0];
};

/** The packages that a part may import: spec/ does no I/O, and only the program knows Pulumi. */
const PACKAGES = {
  spec: /^(?:zod|node:(?:crypto|net))$/,
  converge: /^(?!@pulumi\/)/,
  runner: /^(?!@pulumi\/)/,
};

/** Holds the arrows, whatever the form of the import: import, export from, import(), import of a type. */
const arrows = {
  create(context) {
    const from = partOf(context.filename);
    const check = ({ source }) => {
      if (typeof source?.value !== "string") return;
      const name = source.value;
      if (!name.startsWith(".")) {
        if (PACKAGES[from]?.test(name) === false)
          context.report({ node: source, message: `${from}/ may not import the package ${name}` });
        return;
      }
      const to = partOf(path.resolve(path.dirname(context.filename), name));
      if (to !== from && !MAY_IMPORT[from].includes(to))
        context.report({ node: source, message: `${from} may not import ${to}: docs/architecture.md` });
    };
    return {
      ImportDeclaration: check,
      ExportNamedDeclaration: check,
      ExportAllDeclaration: check,
      ImportExpression: check,
      TSImportType: check,
    };
  },
};

export default tseslint.config(
  { ignores: ["node_modules", ".local", "test/engine/conformance*/program"] },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      // Index signatures are read with brackets (noPropertyAccessFromIndexSignature).
      "@typescript-eslint/dot-notation": "off",
      "@typescript-eslint/no-non-null-assertion": "error",
      "no-console": "error",
    },
  },
  {
    files: [...Object.keys(MAY_IMPORT).map((part) => `${part}/**`), "index.ts", "config.ts"],
    plugins: { ours: { rules: { arrows } } },
    rules: { "ours/arrows": "error" },
  },
  { files: ["test/**"], rules: { "@typescript-eslint/no-non-null-assertion": "off" } },
  {
    files: ["local/**", "bench/**", "report/*.ts", "test/long.ts", "test/pictures.ts"],
    rules: { "no-console": "off" },
  },
  { files: ["**/*.js"], extends: [tseslint.configs.disableTypeChecked] },
);
