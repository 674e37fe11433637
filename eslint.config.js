import tseslint from "typescript-eslint";

/** Imports go one way: spec <- converge <- components <- index.ts; local and test may use everything, nothing uses them. */
const mayNotImport = (files, folders, why) => ({
  files,
  rules: {
    "no-restricted-imports": [
      "error",
      { patterns: [{ group: folders.map((folder) => `**/${folder}/**`), message: why }] },
    ],
  },
});

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
  mayNotImport(
    ["spec/**"],
    ["converge", "components", "local", "report", "test", "runner"],
    "spec/ is pure and at the bottom",
  ),
  mayNotImport(["converge/**"], ["components", "local", "report", "test", "runner"], "converge/ knows spec/ only"),
  mayNotImport(
    ["components/**", "*.ts"],
    ["local", "report", "test", "runner"],
    "the program knows spec/ and converge/ only",
  ),
  mayNotImport(
    ["docs/**"],
    ["converge", "components", "local", "report", "test", "runner"],
    "docs/make knows spec/ only",
  ),
  mayNotImport(["runner/**"], ["components", "local", "report", "test"], "the runner knows spec/ and converge/ only"),
  mayNotImport(["local/**"], ["report", "test"], "nothing imports report/ or test/"),
  mayNotImport(["report/**"], ["converge", "components", "test", "runner"], "report/ reads what engines print"),
  { files: ["vitest.config.ts"], rules: { "no-restricted-imports": "off" } },
  { files: ["test/**"], rules: { "@typescript-eslint/no-non-null-assertion": "off" } },
  {
    files: ["local/**", "bench/**", "report/*.ts", "test/long.ts", "test/pictures.ts"],
    rules: { "no-console": "off" },
  },
  { files: ["**/*.js"], extends: [tseslint.configs.disableTypeChecked] },
);
