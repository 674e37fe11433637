import { Cell } from "./components/cell.ts";
import { Merchant } from "./components/merchant.ts";
import { Roster } from "./components/roster.ts";
import { explained, readConfig } from "./config.ts";

/** Where each merchant is, as `<cell>/<database>`. */
export const merchants = explained(() => {
  const { stack, secret } = readConfig();
  const roster = new Roster(stack, { protect: true });
  const cells = new Map(
    Object.values(stack.cells).map((spec) => [spec.name, new Cell(spec, secret, { dependsOn: [roster] })]),
  );
  for (const spec of stack.merchants) {
    const cell = cells.get(spec.cell);
    // The spec was checked as a whole: a merchant's cell is there.
    if (cell) new Merchant({ spec, cell, roster });
  }
  return Object.fromEntries(stack.merchants.map(({ id, cell, database }) => [id, `${cell}/${database}`]));
});
