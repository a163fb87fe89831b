/** The stories of `test/wire/api_stories/`, told to the real API server: it must do what the embedded one does. */
import { strictEqual } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import type { KubeEndpoint } from "../../../adapters/platform/kube/config.ts";
import { stringAt } from "../../../src/core/kube_object.ts";
import { type ApiServer, callApi } from "../../wire/api_case.ts";
import { API_STORIES, namespaceOf } from "../../wire/api_stories/mod.ts";
import type { StoryServer } from "../../wire/api_stories/story.ts";
import { objectsIn } from "../../support/rbac.ts";
import { until } from "../../support/until.ts";
import type { ControlPlane } from "../servers/control_plane.ts";
import type { Run } from "../suite.ts";

/** A user without rights, and one with all of them, who is nevertheless not the administrator whom no limit holds. */
const NOBODY = "nobody";
const SOMEBODY = "somebody";
const ALL_RIGHTS = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: { name: ${SOMEBODY} }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin }
subjects: [{ kind: ServiceAccount, name: ${SOMEBODY}, namespace: default }]
`;
const BUSY_PORT = 6444;
const BUSY_WITHIN_MS = 20_000;
/** One write at a time. */
const BUSY_FLAGS = [
  "--enable-priority-and-fairness=false",
  "--max-requests-inflight=400",
  "--max-mutating-requests-inflight=1",
];

/** @param controllers false: those that want none, true: the others */
export async function stories(run: Run, plane: ControlPlane, controllers: boolean): Promise<void> {
  const server = await storyServer(plane);
  for (const story of API_STORIES.filter((one) => one.controllers === controllers)) {
    await run.checks.check(`story: ${story.name}`, async () => {
      const namespace = namespaceOf(story);
      await plane.cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
      await story.tell(server, namespace);
    });
  }
}

async function storyServer(plane: ControlPlane): Promise<StoryServer> {
  const [nobody, somebody] = await Promise.all([NOBODY, SOMEBODY].map((name) => tokenOf(plane, name)));
  for (const object of objectsIn(ALL_RIGHTS)) await plane.cluster.apply(object);
  const caPem = await Deno.readTextFile(plane.caFile);
  const { admin } = plane;
  const endpoint = (baseUrl: string, token: string): KubeEndpoint => ({
    baseUrl,
    caPem,
    token: () => Promise.resolve(token),
    namespace: "default",
  });
  return {
    api: admin,
    endpoint: endpoint(admin.url, plane.adminToken),
    // A server that has just started remembers no version before its start, and etcd none before its compaction.
    async forget() {
      await plane.compact();
      await plane.restartApiServer(100);
    },
    async refused(call) {
      const headers = { authorization: `Bearer ${nobody}` };
      return {
        answer: await callApi({ ...admin, headers }, call),
        user: `system:serviceaccount:default:${NOBODY}`,
      };
    },
    async busy(body) {
      const { url, running } = await plane.startSecond({ port: BUSY_PORT, flags: BUSY_FLAGS });
      const api = { ...admin, url, headers: { authorization: `Bearer ${somebody}` } };
      const writes: Deno.TlsConn[] = [];
      try {
        // The server's own writes at its start may be in the way of ours: then another one is begun.
        await until("the server stays busy", async () => {
          if (await staysBusy(api)) return true;
          writes.push(await beginWrite({ url, caPem, token: somebody ?? "" }));
          return false;
        }, BUSY_WITHIN_MS);
        return await body({ api, endpoint: endpoint(url, somebody ?? "") });
      } finally {
        for (const write of writes) write.close();
        await running.kill();
      }
    },
  };
}

async function tokenOf(plane: ControlPlane, name: string): Promise<string> {
  await plane.cluster.apply({
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name, namespace: "default" },
  });
  const answer = await callApi(plane.admin, {
    method: "POST",
    path: `/api/v1/namespaces/default/serviceaccounts/${name}/token`,
    body: { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: {} },
  });
  strictEqual(answer.status, 201);
  return stringAt(answer.body, "status", "token") ?? "";
}

/** Whether several writes in a row are refused. */
async function staysBusy(api: ApiServer): Promise<boolean> {
  const path = "/api/v1/namespaces/default/configmaps?dryRun=All";
  for (let count = 0; count < 3; count++) {
    const { status } = await callApi(api, { method: "POST", path, body: { metadata: { name: "probe" } } });
    if (status !== 429) return false;
    await machineClock.sleep(50);
  }
  return true;
}

/** A write whose body does not end: the one that the server takes, until it is closed. */
async function beginWrite(
  server: { readonly url: string; readonly caPem: string; readonly token: string },
): Promise<Deno.TlsConn> {
  const { hostname, port } = new URL(server.url);
  const connection = await Deno.connectTls({ hostname, port: Number(port), caCerts: [server.caPem] });
  const lines = [
    "POST /api/v1/namespaces/default/configmaps?dryRun=All HTTP/1.1",
    `host: ${hostname}`,
    `authorization: Bearer ${server.token}`,
    "content-type: application/json",
    "content-length: 1000",
  ];
  await connection.write(new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n{`));
  return connection;
}
