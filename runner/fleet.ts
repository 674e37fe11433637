import type { Logger } from "pino";
import { CellService } from "./cell-service.ts";
import type { RunnerConfig } from "./config.ts";
import { type ReadEnvironment, serverOf } from "./connection.ts";
import { knowNothing, type Knowledge } from "./knowledge.ts";
import type { Outcome, Task } from "./run.ts";
import { steadyNow } from "./steady-clock.ts";

/** All cells, each served on its own. */
export interface Fleet {
  readonly knowledge: Knowledge;
  /** Ends what runs within the grace time. */
  stop(): Promise<void>;
}

/** Begins to serve the cells. */
export function startFleet(
  config: RunnerConfig,
  environment: ReadEnvironment,
  log: Logger,
  observe: (cell: string, task: Task, outcome: Outcome) => void,
): Fleet {
  const every = { cell: config.cellEverySeconds * 1000, merchant: config.merchantEverySeconds * 1000 };
  const knowledge = knowNothing(Object.keys(config.cells), every, steadyNow());
  const services = [...knowledge.cells].flatMap(([name, known]) => {
    const cell = config.cells[name];
    if (cell === undefined) return [];
    const service = new CellService(
      {
        server: serverOf(name, cell, environment),
        maxRuns: config.maxRunsPerCell,
        rescue: config.rescue,
        cellEvery: every.cell,
        merchantEvery: every.merchant,
        log: log.child({ cell: name }),
        observe: (task, outcome) => {
          observe(name, task, outcome);
        },
      },
      known,
    );
    service.start();
    return [service];
  });
  // What is cancelled needs a moment too.
  const grace = Math.max(0, config.graceSeconds - 4) * 1000;
  return {
    knowledge,
    async stop() {
      await Promise.all(services.map((service) => service.stop(grace)));
    },
  };
}
