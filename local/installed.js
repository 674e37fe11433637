// Loaded before each script of package.json that people call: says what to do where the packages are not here, or where there
// is no Node.js that runs TypeScript. Plain JavaScript, for an older Node.js reads this too.
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";

const fileOf = (name) => new URL(`../${name}`, import.meta.url);
const { dependencies } = JSON.parse(readFileSync(fileOf("package.json"), "utf8"));
const missing = Object.keys(dependencies).filter((name) => !existsSync(fileOf(`node_modules/${name}`)));

if (missing.length > 0) {
  const which = missing.length === Object.keys(dependencies).length ? "" : ` (${missing.join(", ")})`;
  console.error(`The packages are not installed${which}: run \`npm ci\` first. It brings Node.js 24 too.`);
  process.exit(1);
}
if (!process.features.typescript) {
  console.error(
    `This is Node.js ${process.versions.node}, and the Node.js 24 that \`npm ci\` brings is not here (an optional package): ` +
      "run `npm ci` without --omit=optional, or take Node.js 24.",
  );
  process.exit(1);
}
