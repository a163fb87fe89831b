import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import type { KubeObject } from "../core/kube_object.ts";
import { RejectedError } from "../errors.ts";
import type { Cluster } from "../ports/cluster.ts";
import { aCanary, aDeployment } from "../../test/support/builders.ts";
import { observedDigests } from "./digests.ts";
import { refsOf } from "./facts.ts";
import { lostPolicies, podLabelsOf } from "./policies.ts";

/** A cluster that only lists; kinds that are not given are not served. */
function listing(objects: readonly KubeObject[]): Cluster {
  const of = (kind: string): readonly KubeObject[] => objects.filter((object) => object.kind === kind);
  const cluster: Pick<Cluster, "all" | "list"> = {
    all: (_apiVersion, kind) => of(kind),
    list: ({ kind }) =>
      of(kind).length > 0 ? Promise.resolve(of(kind)) : Promise.reject(new RejectedError(`${kind} is not served`)),
  };
  return cluster as Cluster;
}

const canary = aCanary();
const refs = refsOf(canary, null);
const target = aDeployment({ name: canary.target.name });
const pods = podLabelsOf(target, { key: "app", value: canary.target.name });
const signal = new AbortController().signal;

function service(name: string, selector: Record<string, string>, annotations: Record<string, string> = {}): KubeObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: canary.id.namespace, annotations },
    spec: { selector },
  };
}

function policy(labels: Record<string, string>): KubeObject {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "allow", namespace: canary.id.namespace },
    spec: { podSelector: { matchLabels: labels } },
  };
}

const name = canary.target.name;
const ROWS: readonly {
  readonly what: string;
  readonly objects: readonly KubeObject[];
  readonly says: RegExp | null;
}[] = [
  { what: "nothing", objects: [], says: null },
  { what: "the apex, which is moved", objects: [service(canary.service.name, { app: name })], says: null },
  {
    what: "another Service of the target's pods",
    objects: [service("metrics", { app: name })],
    says: /Service "metrics".*app: .*-primary/,
  },
  {
    what: "one that is to be left alone",
    objects: [service("metrics", { app: name }, { "serin.dev/ignore": "true" })],
    says: null,
  },
  { what: "a Service of other pods", objects: [service("other", { app: "other" })], says: null },
  { what: "a Service without a selector", objects: [service("external", {})], says: null },
  { what: "a NetworkPolicy of the target's pods", objects: [policy({ app: name })], says: /NetworkPolicy "allow"/ },
  { what: "a NetworkPolicy of all pods", objects: [policy({})], says: null },
];

for (const { what, objects, says } of ROWS) {
  Deno.test(`lostPolicies() of ${what} says ${says === null ? "nothing" : "what to set"}`, async () => {
    const said = await lostPolicies(listing(objects), { canary, refs, pods }, signal);
    if (says === null) strictEqual(said, null);
    else match(said ?? "", says);
  });
}

Deno.test("observedDigests() takes digests of the declared images from the pods' statuses", async () => {
  const digest = (letter: string): string => `sha256:${letter.repeat(64)}`;
  const image = "registry.example/app:1.0.0";
  const pod = (podName: string, imageID: string): KubeObject => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: podName, namespace: canary.id.namespace },
    spec: { containers: [{ name: "app", image }, { name: "sidecar", image: "proxy:1" }] },
    status: { containerStatuses: [{ name: "app", imageID }, { name: "sidecar", imageID: `proxy@${digest("c")}` }] },
  });
  const live: KubeObject = {
    ...target,
    spec: { selector: { matchLabels: { app: name } }, template: { spec: { containers: [{ name: "app", image }] } } },
  };
  const same = listing([pod("a", `registry/app@${digest("a")}`), pod("b", `registry/app@${digest("a")}`)]);
  deepStrictEqual(await observedDigests(same, live, signal), { [image]: digest("a") });
  const two = listing([pod("a", `registry/app@${digest("a")}`), pod("b", `registry/app@${digest("b")}`)]);
  deepStrictEqual(await observedDigests(two, live, signal), { [image]: `${digest("a")},${digest("b")}` });
});
