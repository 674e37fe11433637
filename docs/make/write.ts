// npm run docs: writes what is made from the code into the pages of docs/.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { format } from "prettier";
import { fillConfigurationPage } from "./configuration.ts";

const page = path.join(import.meta.dirname, "..", "configuration.md");
const filled = fillConfigurationPage(readFileSync(page, "utf8"));
writeFileSync(page, await format(filled, { parser: "markdown", printWidth: 120 }));
