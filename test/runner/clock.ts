import { chmodSync, copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { findIn, unpackDebian } from "../debian.ts";

/** The time of day of a process, which can be set while it runs: by libfaketime, that is Debian's package. */
export interface FakedClock {
  /** What the process needs in its environment. Times that it measures are not touched. */
  readonly env: NodeJS.ProcessEnv;
  /** Sets it, against the machine's: `+1d`, `-3h`, `+0`. */
  set(offset: string): void;
}

/** A clock that is kept in this folder, for processes that can read it. It is right at first. */
export function fakedClock(folder: string): FakedClock {
  const file = path.join(folder, "clock");
  // The loader takes a blank in LD_PRELOAD for the end of a path, and the repository may be in a folder with one.
  const shared = mkdtempSync(path.join(tmpdir(), "faketime-"));
  chmodSync(shared, 0o755);
  process.once("exit", () => {
    rmSync(shared, { recursive: true, force: true });
  });
  const library = path.join(shared, "libfaketime.so");
  copyFileSync(findIn(unpackDebian("libfaketime"), "libfaketimeMT.so.1"), library);
  const set = (offset: string) => {
    // In one step: a process may look at any moment.
    writeFileSync(`${file}.new`, offset);
    chmodSync(`${file}.new`, 0o644);
    renameSync(`${file}.new`, file);
  };
  set("+0");
  return {
    env: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      DONT_FAKE_MONOTONIC: "1",
    },
    set,
  };
}
