import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

/** A certificate with its key, in files. */
export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
}

/** A private authority, which signs certificates of servers. */
export interface Authority {
  readonly caFile: string;
  readonly pem: string;
  /** `names` as openssl takes them: `IP:127.0.0.1`, `DNS:db.example.com`. `days` below 0: it has expired. */
  issue(names: string, days?: number): Certificate;
}

/** Makes an authority in a folder that is empty. */
export function makeAuthority(folder: string): Authority {
  const file = (name: string) => path.join(folder, name);
  const caFile = file("ca.pem");
  const subject = ["-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  openssl(
    "req",
    "-x509",
    ...subject,
    "-subj",
    "/CN=a private authority",
    "-keyout",
    file("ca.key"),
    "-out",
    caFile,
    "-days",
    "2",
  );
  let count = 0;
  return {
    caFile,
    pem: readFileSync(caFile, "utf8"),
    issue(names, days = 1) {
      count += 1;
      const [certFile, keyFile, request] = [file(`${count}.pem`), file(`${count}.key`), file(`${count}.csr`)];
      openssl("req", ...subject, "-subj", "/CN=server", "-keyout", keyFile, "-out", request);
      writeFileSync(file(`${count}.ext`), `subjectAltName=${names}\n`);
      const by = ["-CA", caFile, "-CAkey", file("ca.key"), "-CAcreateserial", "-extfile", file(`${count}.ext`)];
      openssl("x509", "-req", "-in", request, "-out", certFile, ...by, "-days", String(days));
      return { certFile, keyFile };
    },
  };
}

/** A certificate that nobody but itself vouches for. */
export function selfSigned(folder: string, names: string): Certificate {
  const [certFile, keyFile] = [path.join(folder, "self.pem"), path.join(folder, "self.key")];
  const key = ["-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", keyFile];
  openssl(
    "req",
    "-x509",
    ...key,
    "-subj",
    "/CN=server",
    "-addext",
    `subjectAltName=${names}`,
    "-out",
    certFile,
    "-days",
    "1",
  );
  return { certFile, keyFile };
}

function openssl(...args: readonly string[]): void {
  execFileSync("openssl", args, { stdio: "pipe" });
}
