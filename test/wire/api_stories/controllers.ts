/** Stories in which Kubernetes' own controllers act: generations that are observed, and what goes along with a deletion. */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { at, listAt, numberAt, stringAt } from "../../../src/core/kube_object.ts";
import { until } from "../../support/until.ts";
import type { ApiAnswer } from "../api_case.ts";
import { ask, configMapsIn, MERGE, type Story, type StoryServer } from "./story.ts";

const WAIT_MS = 20_000;

function deploymentsIn(namespace: string): string {
  return `/apis/apps/v1/namespaces/${namespace}/deployments`;
}

function deployment(replicas: number): unknown {
  const labels = { app: "web" };
  const template = { metadata: { labels }, spec: { containers: [{ name: "app", image: "registry.example/web:1" }] } };
  return { metadata: { name: "web" }, spec: { replicas, selector: { matchLabels: labels }, template } };
}

async function settles(server: StoryServer, path: string, what: (answer: ApiAnswer) => boolean): Promise<ApiAnswer> {
  let last: ApiAnswer | undefined;
  const met = async (): Promise<boolean> => {
    last = await ask(server, "GET", path);
    return what(last);
  };
  await until(`${path} settles`, met, WAIT_MS).catch((error) => {
    throw new Error(`${error instanceof Error ? error.message : error}: ${JSON.stringify(last).slice(0, 600)}`);
  });
  if (last === undefined) throw new Error("Nothing was asked");
  return last;
}

const observes = (generation: number) => ({ body }: ApiAnswer): boolean =>
  numberAt(body, "status", "observedGeneration") === generation;

async function setsOf(server: StoryServer, namespace: string): Promise<ApiAnswer> {
  return await ask(server, "GET", `/apis/apps/v1/namespaces/${namespace}/replicasets`);
}

async function generations(server: StoryServer, namespace: string): Promise<void> {
  const path = deploymentsIn(namespace);
  strictEqual(numberAt((await ask(server, "POST", path, { body: deployment(0) })).body, "metadata", "generation"), 1);
  // The controller's own mark, an annotation, counts as a generation of a Deployment: it observes that one, too.
  const first = await settles(server, `${path}/web`, ({ body }) => {
    const generation = numberAt(body, "metadata", "generation");
    return at(body, "metadata", "annotations") !== undefined && observes(generation ?? 0)({ body } as ApiAnswer);
  });
  strictEqual(stringAt(first.body, "metadata", "annotations", "deployment.kubernetes.io/revision"), "1");
  const before = numberAt(first.body, "metadata", "generation") ?? 0;
  const change = (spec: unknown) => ask(server, "PATCH", `${path}/web`, { contentType: MERGE, body: { spec } });
  const scaled = await change({ minReadySeconds: 1 });
  strictEqual(numberAt(scaled.body, "metadata", "generation"), before + 1);
  const second = await settles(server, `${path}/web`, observes(before + 1));
  deepStrictEqual(at(second.body, "status", "replicas") ?? 0, 0);
  strictEqual(listAt((await setsOf(server, namespace)).body, "items").length, 1);
  await change({ template: { metadata: { annotations: { a: "b" } } } });
  await settles(
    server,
    `/apis/apps/v1/namespaces/${namespace}/replicasets`,
    ({ body }) => listAt(body, "items").length === 2,
  );
  const third = await settles(
    server,
    `${path}/web`,
    ({ body }) => stringAt(body, "metadata", "annotations", "deployment.kubernetes.io/revision") === "2",
  );
  const now = numberAt(third.body, "metadata", "generation") ?? 0;
  await settles(server, `${path}/web`, observes(now));
  // Paused, a new template makes no ReplicaSet, and is observed all the same.
  const paused = await change({ paused: true, template: { metadata: { annotations: { a: "c" } } } });
  const held = await settles(server, `${path}/web`, observes(numberAt(paused.body, "metadata", "generation") ?? 0));
  strictEqual(listAt((await setsOf(server, namespace)).body, "items").length, 2);
  const [progressing] = listAt(held.body, "status", "conditions").filter((one) =>
    stringAt(one, "type") === "Progressing"
  );
  strictEqual(stringAt(progressing, "reason"), "DeploymentPaused");
}

function removal(propagationPolicy: string) {
  return { body: { apiVersion: "v1", kind: "DeleteOptions", propagationPolicy } };
}

async function withOneSet(server: StoryServer, namespace: string): Promise<string> {
  await ask(server, "POST", deploymentsIn(namespace), { body: deployment(0) });
  await settles(
    server,
    `/apis/apps/v1/namespaces/${namespace}/replicasets`,
    ({ body }) => listAt(body, "items").length === 1,
  );
  return `${deploymentsIn(namespace)}/web`;
}

async function background(server: StoryServer, namespace: string): Promise<void> {
  const path = await withOneSet(server, namespace);
  strictEqual(stringAt((await ask(server, "DELETE", path, removal("Background"))).body, "kind"), "Status");
  strictEqual((await ask(server, "GET", path)).status, 404);
  await settles(
    server,
    `/apis/apps/v1/namespaces/${namespace}/replicasets`,
    ({ body }) => listAt(body, "items").length === 0,
  );
}

async function foreground(server: StoryServer, namespace: string): Promise<void> {
  const path = await withOneSet(server, namespace);
  const going = await ask(server, "DELETE", path, removal("Foreground"));
  deepStrictEqual(listAt(going.body, "metadata", "finalizers"), ["foregroundDeletion"]);
  ok(stringAt(going.body, "metadata", "deletionTimestamp") !== undefined);
  await settles(server, path, ({ status }) => status === 404);
  strictEqual(listAt((await setsOf(server, namespace)).body, "items").length, 0);
}

async function orphans(server: StoryServer, namespace: string): Promise<void> {
  const path = await withOneSet(server, namespace);
  await ask(server, "DELETE", path, removal("Orphan"));
  await settles(server, path, ({ status }) => status === 404);
  const [left] = listAt((await setsOf(server, namespace)).body, "items");
  ok(left !== undefined);
  deepStrictEqual(listAt(left, "metadata", "ownerReferences"), []);
}

async function owned(server: StoryServer, namespace: string): Promise<void> {
  const path = configMapsIn(namespace);
  const owner = await ask(server, "POST", path, { body: { metadata: { name: "owner" } } });
  const uid = stringAt(owner.body, "metadata", "uid") ?? "";
  const ownerReferences = [{ apiVersion: "v1", kind: "ConfigMap", name: "owner", uid }];
  await ask(server, "POST", path, { body: { metadata: { name: "dependent", ownerReferences } } });
  await ask(server, "DELETE", `${path}/owner`, removal("Background"));
  await settles(server, `${path}/dependent`, ({ status }) => status === 404);
}

export const CONTROLLER_STORIES: readonly Story[] = [
  { name: "what was changed is observed, a generation at a time", controllers: true, tell: generations },
  { name: "in the background, what it owns goes after it", controllers: true, tell: background },
  { name: "in the foreground, what it owns goes before it", controllers: true, tell: foreground },
  { name: "orphans stay, and have no owner", controllers: true, tell: orphans },
  { name: "a dependent goes with its owner", controllers: true, tell: owned },
];
