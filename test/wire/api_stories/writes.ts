/** Stories of writes: races for one version and for one name, somebody without rights, and a server that is busy. */
import { deepStrictEqual, match, rejects, strictEqual } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { startElection } from "../../../adapters/platform/kube/lease.ts";
import { openCluster } from "../../../adapters/platform/kube.ts";
import { numberAt, stringAt } from "../../../src/core/kube_object.ts";
import { RejectedError, UnavailableError } from "../../../src/errors.ts";
import { until } from "../../support/until.ts";
import { ask, configMapsIn, MERGE, type Story, type StoryServer, versionOf } from "./story.ts";

const ROUNDS = 10;

function leasesIn(namespace: string): string {
  return `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
}

/** Two at once: one is done, the other is told why not. */
async function races(server: StoryServer, namespace: string): Promise<void> {
  const leases = leasesIn(namespace);
  for (let round = 0; round < ROUNDS; round++) {
    const name = `l${round}`;
    const held = (holderIdentity: string, resourceVersion?: string) => ({
      body: { metadata: { name, resourceVersion }, spec: { holderIdentity } },
    });
    const made = await Promise.all(["one", "two"].map((who) => ask(server, "POST", leases, held(who))));
    deepStrictEqual(made.map(({ status }) => status).toSorted(), [201, 409]);
    strictEqual(
      made.map(({ body }) => stringAt(body, "reason")).find((reason) => reason !== undefined),
      "AlreadyExists",
    );
    const version = versionOf(await ask(server, "GET", `${leases}/${name}`));
    const written = await Promise.all(
      ["three", "four"].map((who) => ask(server, "PUT", `${leases}/${name}`, held(who, version))),
    );
    deepStrictEqual(written.map(({ status }) => status).toSorted(), [200, 409]);
    const [lost] = written.filter(({ status }) => status === 409);
    strictEqual(stringAt(lost?.body, "reason"), "Conflict");
    match(stringAt(lost?.body, "message") ?? "", /the object has been modified; please apply your changes/);
    const winner = written.findIndex(({ status }) => status === 200);
    const now = await ask(server, "GET", `${leases}/${name}`);
    strictEqual(stringAt(now.body, "spec", "holderIdentity"), ["three", "four"][winner]);
  }
}

/** The product's own election, two candidates, over a Lease of this server. */
async function election(server: StoryServer, namespace: string): Promise<void> {
  const clusters = ["one", "two"].map(() => openCluster({ endpoint: server.endpoint, clock: machineClock }));
  const led: string[] = [];
  const candidates = clusters.map((cluster, index) =>
    startElection({
      cluster,
      namespace,
      name: "serin",
      identity: `candidate-${index}`,
      clock: machineClock,
      leaseMs: 3_000,
      renewMs: 300,
      onLead: (epoch) => led.push(`candidate-${index} ${epoch}`),
      onLose: () => {},
    })
  );
  try {
    await until("one leads", () => led.length > 0);
    const first = candidates.find((one) => one.isLeader());
    const others = candidates.filter((one) => one !== first);
    deepStrictEqual(others.map((one) => one.isLeader()), [false]);
    await first?.stop();
    await until("the other leads", () => others.some((one) => one.isLeader()));
    strictEqual(led.length, 2);
    deepStrictEqual(led.map((one) => one.split(" ")[1]), ["1", "2"]);
    const lease = await ask(server, "GET", `${leasesIn(namespace)}/serin`);
    strictEqual(numberAt(lease.body, "spec", "leaseTransitions"), 2);
  } finally {
    for (const one of candidates) await one.stop();
    for (const cluster of clusters) await cluster.close();
  }
}

async function withoutRights(server: StoryServer, namespace: string): Promise<void> {
  const cm = configMapsIn(namespace);
  const deployments = `/apis/apps/v1/namespaces/${namespace}/deployments`;
  const merge = { contentType: MERGE, body: {} };
  const here = `in the namespace "${namespace}"`;
  const core = `in API group ""`;
  const apps = `in API group "apps"`;
  const rows = [
    [{ method: "GET", path: cm }, `configmaps is forbidden: USER cannot list resource "configmaps" ${core} ${here}`],
    [
      { method: "GET", path: `${cm}?watch=true` },
      `configmaps is forbidden: USER cannot watch resource "configmaps" ${core} ${here}`,
    ],
    [
      { method: "POST", path: cm, body: { metadata: { name: "a" } } },
      `configmaps is forbidden: USER cannot create resource "configmaps" ${core} ${here}`,
    ],
    [
      { method: "GET", path: "/apis/apps/v1/deployments" },
      `deployments.apps is forbidden: USER cannot list resource "deployments" ${apps} at the cluster scope`,
    ],
    [
      { method: "PATCH", path: `${deployments}/d/scale`, ...merge },
      `deployments.apps "d" is forbidden: USER cannot patch resource "deployments/scale" ${apps} ${here}`,
    ],
    [
      { method: "DELETE", path: `${deployments}/d` },
      `deployments.apps "d" is forbidden: USER cannot delete resource "deployments" ${apps} ${here}`,
    ],
    [
      { method: "GET", path: "/api/v1/namespaces/kube-system" },
      `namespaces "kube-system" is forbidden: USER cannot get resource "namespaces" ${core} in the namespace "kube-system"`,
    ],
  ] as const;
  for (const [call, want] of rows) {
    const { answer, user } = await server.refused(call);
    strictEqual(answer.status, 403);
    strictEqual(stringAt(answer.body, "reason"), "Forbidden");
    strictEqual((stringAt(answer.body, "message") ?? "").replace(`User ${JSON.stringify(user)}`, "USER"), want);
  }
}

async function withoutToken(server: StoryServer, namespace: string): Promise<void> {
  const wrong = { ...server, api: { ...server.api, headers: { authorization: "Bearer wrong" } } };
  const answer = await ask(wrong, "GET", configMapsIn(namespace));
  deepStrictEqual([answer.status, stringAt(answer.body, "reason"), stringAt(answer.body, "message")], [
    401,
    "Unauthorized",
    "Unauthorized",
  ]);
  const cluster = openCluster({
    endpoint: { ...server.endpoint, token: () => Promise.resolve("wrong") },
    clock: machineClock,
  });
  try {
    await rejects(cluster.live({ apiVersion: "v1", kind: "ConfigMap", namespace, name: "a" }), RejectedError);
  } finally {
    await cluster.close();
  }
}

async function busy(server: StoryServer, namespace: string): Promise<void> {
  const path = configMapsIn(namespace);
  await server.busy(async (here) => {
    const answer = await ask(here, "POST", path, { body: { metadata: { name: "a" } } });
    deepStrictEqual([answer.status, answer.retryAfter, answer.body], [
      429,
      "1",
      "Too many requests, please try again later.\n",
    ]);
    const cluster = openCluster({ endpoint: here.endpoint, clock: machineClock });
    try {
      const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a", namespace } };
      await rejects(cluster.create(object), (error) => {
        strictEqual(error instanceof UnavailableError ? error.retryAfterMs : error, 1_000);
        return true;
      });
    } finally {
      await cluster.close();
    }
  });
  strictEqual((await ask(server, "GET", `${path}/a`)).status, 404);
}

export const WRITE_STORIES: readonly Story[] = [
  { name: "of two writers with one version, or one name, one is told", controllers: false, tell: races },
  {
    name: "of two candidates for a Lease one leads, then the other, an epoch later",
    controllers: false,
    tell: election,
  },
  { name: "whoever has no right is told which one", controllers: false, tell: withoutRights },
  { name: "a wrong token is no user", controllers: false, tell: withoutToken },
  { name: "a busy server says when to come back, and nothing was done", controllers: false, tell: busy },
];
