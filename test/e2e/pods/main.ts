/**
 * The node as a process of its own, so that pods and the load that is sent to them do not share one event loop.
 *
 *     main.ts <API server's URL> <CA file> <token file> <node's name> <URL for Prometheus to ask> <network> <behaviours>
 *
 * The network is the first two numbers of pods' addresses; behaviours are a JSON object of images that behave otherwise
 * here than their tags say.
 */
import { machineClock } from "../../../adapters/platform/clock.ts";
import { openCluster } from "../../../adapters/platform/kube.ts";
import { behaviourTable } from "../../../src/sandbox/apps/behaviour.ts";
import { Node } from "./node.ts";

function log(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${new Date().toISOString()} ${line}\n`));
}

if (import.meta.main) {
  const [url = "", caFile = "", tokenFile = "", nodeName = "", targetsUrl = "", network = "", rows = "{}"] = Deno.args;
  const caPem = await Deno.readTextFile(caFile);
  const token = (await Deno.readTextFile(tokenFile)).trim();
  const endpoint = { baseUrl: url, caPem, token: () => Promise.resolve(token), namespace: "default" };
  const cluster = openCluster({ endpoint, clock: machineClock, fieldManager: "kubelet" });
  const client = Deno.createHttpClient({ caCerts: [caPem] });
  const api = { url, headers: { authorization: `Bearer ${token}` }, client };
  const node = new Node({
    cluster,
    api,
    clock: machineClock,
    nodeName,
    network,
    behaviour: behaviourTable(JSON.parse(rows)),
    log,
  });
  const { hostname, port } = new URL(targetsUrl);
  Deno.serve({ hostname, port: Number(port), onListen() {} }, () => Response.json(node.targets()));
  await node.run();
  log("watching pods");
}
