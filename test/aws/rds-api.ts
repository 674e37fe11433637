import {
  CreateDBInstanceCommand,
  CreateDBParameterGroupCommand,
  ModifyDBParameterGroupCommand,
  RDSClient,
} from "@aws-sdk/client-rds";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type Moto, MOTO_SECRET } from "./moto.ts";

export const REGION = "eu-central-1";

/**
 * moto, and before it what moto does not know: that an instance waits for a reboot after its parameter group was changed, and
 * how one was rebooted.
 */
export interface RdsApi {
  /** For AWS_ENDPOINT_URL. */
  readonly endpoint: string;
  /** Instances that wait for a reboot; a reboot takes them out. */
  readonly waiting: Set<string>;
  /** The reboots that were asked for: `old-1`, or `old-1 by failover`. */
  readonly reboots: string[];
  /** Makes an instance with a parameter group of these values. */
  makeInstance(identifier: string, parameters: object, more?: { readonly multiAz?: boolean }): Promise<void>;
  close(): void;
}

/** Starts it. */
export async function startRdsApi(moto: Moto): Promise<RdsApi> {
  const waiting = new Set<string>();
  const reboots: string[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const body = await readAll(request);
      const asked = new URLSearchParams(body.toString());
      const identifier = asked.get("DBInstanceIdentifier") ?? "";
      if (asked.get("Action") === "RebootDBInstance") {
        reboots.push(asked.get("ForceFailover") === "true" ? `${identifier} by failover` : identifier);
        waiting.delete(identifier);
      }
      // Those of this connection are not those of the next.
      const headers = Object.entries(request.headers).filter(([name]) => !["host", "connection"].includes(name));
      const answer = await fetch(`${moto.endpoint}${request.url ?? "/"}`, {
        method: request.method ?? "POST",
        headers: Object.fromEntries(headers) as Record<string, string>,
        ...(body.length > 0 && { body }),
      });
      const text = await answer.text();
      response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "text/xml" });
      const status = ">pending-reboot</ParameterApplyStatus>";
      response.end(waiting.has(identifier) ? text.replace(">in-sync</ParameterApplyStatus>", status) : text);
    })();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const credentials = { accessKeyId: "testing", secretAccessKey: MOTO_SECRET };
  const client = new RDSClient({ region: REGION, endpoint: moto.endpoint, credentials });
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    waiting,
    reboots,
    async makeInstance(identifier, parameters, { multiAz = false } = {}) {
      const group = { DBParameterGroupName: `${identifier}-parameters` };
      const family = { DBParameterGroupFamily: "postgres15", Description: "of a test" };
      await client.send(new CreateDBParameterGroupCommand({ ...group, ...family }));
      const values = Object.entries(parameters).map(([ParameterName, ParameterValue]) => ({
        ParameterName,
        ParameterValue: String(ParameterValue),
        ApplyMethod: "pending-reboot" as const,
      }));
      if (values.length > 0) await client.send(new ModifyDBParameterGroupCommand({ ...group, Parameters: values }));
      await client.send(
        new CreateDBInstanceCommand({
          DBInstanceIdentifier: identifier,
          DBInstanceClass: "db.r7g.large",
          Engine: "postgres",
          EngineVersion: "15.7",
          AllocatedStorage: 100,
          MasterUsername: "merchant_master",
          ManageMasterUserPassword: true,
          EnableIAMDatabaseAuthentication: true,
          MultiAZ: multiAz,
          ...group,
        }),
      );
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function readAll(stream: AsyncIterable<unknown>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
