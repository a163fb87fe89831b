/**
 * What a server adds to what the agent makes: every golden case of routers, workloads, Services and scalers is applied
 * for good. What comes back must not look like drift to the agent, the same apply once more must change nothing, and
 * the embedded server must have added the very same.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { type OpenCluster, openCluster } from "../../../adapters/platform/kube.ts";
import { drifts } from "../../../adapters/routers/parts/route_object.ts";
import { isSubset } from "../../../src/core/subset.ts";
import { type KubeObject, objectAt, refOf } from "../../../src/core/kube_object.ts";
import { type SandboxApi, startSandboxApi } from "../../../src/sandbox/api/server.ts";
import { type GoldenCase, goldenCases, goldenFolders } from "../../support/golden.ts";
import type { ControlPlane } from "../servers/control_plane.ts";
import type { Run } from "../suite.ts";

/** Set by each server for itself. */
const OWN_METADATA = ["uid", "resourceVersion", "creationTimestamp"];
const OWN_SPEC = ["clusterIP", "clusterIPs"];

interface Servers {
  readonly real: OpenCluster;
  readonly embedded: OpenCluster;
}

export async function defaults({ checks }: Run, plane: ControlPlane): Promise<void> {
  const caPem = await Deno.readTextFile(plane.caFile);
  const token = (): Promise<string> => Promise.resolve(plane.adminToken);
  const endpoint = { baseUrl: plane.admin.url, caPem, token, namespace: "default" };
  const api = await startSandboxApi({ clock: machineClock });
  const servers = { real: openCluster({ endpoint, clock: machineClock }), embedded: openEmbedded(api) };
  try {
    for (const port of ["routers", "workloads", "scalers"]) {
      for (const adapter of goldenFolders(port)) {
        for (const golden of goldenCases(`${port}/${adapter}`)) {
          await checks.check(`no drift: ${golden.name}`, () => compare(servers, port, golden));
        }
      }
    }
  } finally {
    await servers.real.close();
    await servers.embedded.close();
    await api.stop();
  }
}

function openEmbedded(api: SandboxApi): OpenCluster {
  const endpoint = { baseUrl: api.url, token: () => Promise.resolve(undefined), namespace: "default" };
  return openCluster({ endpoint, clock: machineClock });
}

async function compare(servers: Servers, port: string, golden: GoldenCase): Promise<void> {
  const wanted = golden.objects("want.yaml");
  for (const want of wanted) {
    const [real, embedded] = [await applied(servers.real, want), await applied(servers.embedded, want)];
    const what = `${want.kind}/${want.metadata.name}`;
    for (const [server, stored] of [["real", real], ["embedded", embedded]] as const) {
      ok(!looksDrifted(port, want, stored), `${what} of the ${server} server: ${JSON.stringify(stored)}`);
    }
    deepStrictEqual(comparable(embedded), comparable(real), what);
  }
  for (const want of wanted) {
    await servers.real.remove(refOf(want));
    await servers.embedded.remove(refOf(want));
  }
}

/** As it is stored, after an apply that changed nothing more. */
async function applied(cluster: OpenCluster, want: KubeObject): Promise<KubeObject> {
  const { namespace } = want.metadata;
  if (namespace !== undefined) {
    await cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
  }
  const first = await cluster.apply(want, { force: true });
  const second = await cluster.apply(want, { force: true });
  strictEqual(second.metadata.resourceVersion, first.metadata.resourceVersion, `${want.kind}/${want.metadata.name}`);
  return second;
}

/** As the agent looks for it: routers by their own comparison, all else as `src/shell/facts.ts` does. */
function looksDrifted(port: string, want: KubeObject, stored: KubeObject): boolean {
  if (port === "routers") return drifts([stored], () => [want]);
  const { labels, annotations } = want.metadata;
  return !isSubset({ labels: labels ?? {}, annotations: annotations ?? {} }, stored.metadata) ||
    !isSubset(want.spec ?? {}, stored.spec);
}

function comparable(object: KubeObject): unknown {
  const plain = JSON.parse(JSON.stringify(object));
  return {
    ...plain,
    metadata: without(objectAt(plain, "metadata"), OWN_METADATA),
    ...plain.spec === undefined ? {} : { spec: without(objectAt(plain, "spec"), OWN_SPEC) },
  };
}

function without(object: Readonly<Record<string, unknown>>, keys: readonly string[]): unknown {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}
