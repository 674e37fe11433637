import { codeOf, messageOf } from "../../converge/errors.ts";

/** Why the runner cannot answer at its address, and the way out. */
export function cannotListen({ host, port }: { readonly host: string; readonly port: number }, error: unknown): string {
  return `cannot listen on ${host}:${port}: ${messageOf(error)}; ${wayOut(codeOf(error))}`;
}

function wayOut(code = ""): string {
  switch (code) {
    case "EADDRINUSE":
      return "another program has the port, most likely a runner: end that one, or set listen.port";
    case "EACCES":
      return "ports below 1024 are for root: set listen.port to another one";
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return "this machine has no such address: set listen.host to one of its own, 0.0.0.0 for all of them";
    default:
      return "set listen.host and listen.port to an address of this machine";
  }
}
