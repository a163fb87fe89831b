/** What of a live object is an engine's: what it wrote and nothing else. */
import { deepEqual, equal } from "node:assert/strict";
import type { JsonObject, KubeObject } from "./kube_object.ts";
import { ownedPart } from "./owned_fields.ts";

const isEngine = (manager: string): boolean => manager === "engine";

function live(spec: JsonObject, ...entries: readonly JsonObject[]): KubeObject {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: {
      name: "shop",
      namespace: "prod",
      labels: { app: "shop", team: "red" },
      annotations: { "deployment.kubernetes.io/revision": "3" },
      managedFields: entries,
    },
    spec: { selector: { matchLabels: { app: "shop" } }, ...spec },
    status: { replicas: 1 },
  };
}

const fields = (spec: JsonObject, manager = "engine"): JsonObject => ({
  manager,
  operation: "Apply",
  fieldsV1: { "f:metadata": { "f:labels": { "f:team": {} } }, "f:spec": spec },
});

Deno.test("ownedPart() is what the managers own, with name and selector, and labels of theirs", () => {
  const object = live({ replicas: 3, paused: true, minReadySeconds: 5 }, fields({ "f:minReadySeconds": {} }));
  deepEqual(ownedPart(object, isEngine), {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "shop", namespace: "prod", labels: { team: "red" } },
    spec: { minReadySeconds: 5, selector: { matchLabels: { app: "shop" } } },
  });
});

Deno.test("ownedPart() says when nothing is known to be theirs", () => {
  equal(ownedPart(live({}), isEngine), undefined);
  equal(ownedPart(live({}, fields({}, "kubectl")), isEngine), undefined);
  equal(ownedPart(live({}, { ...fields({}), subresource: "scale" }), isEngine), undefined);
});

const container = { name: "app", image: "shop:1", terminationMessagePath: "/dev/log", args: ["a", "b"] };

for (
  const [name, spec, owned, wanted] of [
    [
      "an item by its keys, without what a server added",
      { containers: [container] },
      { "f:containers": { 'k:{"name":"app"}': { ".": {}, "f:name": {}, "f:image": {}, "f:args": {} } } },
      { containers: [{ name: "app", image: "shop:1", args: ["a", "b"] }] },
    ],
    [
      "no container of somebody else's",
      { containers: [{ name: "injected", image: "mesh:1" }, container] },
      { "f:containers": { 'k:{"name":"app"}': { ".": {}, "f:name": {} } } },
      { containers: [{ name: "app" }] },
    ],
    [
      "a field that somebody took over is gone",
      { containers: [container] },
      { "f:containers": { 'k:{"name":"app"}': { ".": {}, "f:name": {}, "f:args": {} } } },
      { containers: [{ name: "app", args: ["a", "b"] }] },
    ],
    ["a set by its values", { finalizers: ["a", "b"] }, { "f:finalizers": { 'v:"b"': {} } }, { finalizers: ["b"] }],
    ["an empty map that was written", { emptyDir: {} }, { "f:emptyDir": {} }, { emptyDir: {} }],
    ["a whole map", { limits: { cpu: "1" } }, { "f:limits": {} }, { limits: { cpu: "1" } }],
    ["what is not there any more", {}, { "f:gone": { "f:deep": {} } }, {}],
    ["a part of a map", { limits: { cpu: "1", memory: "1Gi" } }, { "f:limits": { "f:cpu": {} } }, {
      limits: { cpu: "1" },
    }],
  ] as const
) {
  Deno.test(`ownedPart() ${name}`, () => {
    const { selector: _selector, ...found } = ownedPart(live(spec, fields(owned)), isEngine)?.spec ?? {};
    deepEqual(found, wanted);
  });
}

Deno.test("ownedPart() of several managers of one engine is all that any of them owns", () => {
  const object = live({ a: { b: 1, c: 2, d: 3 } }, fields({ "f:a": { "f:b": {} } }), fields({ "f:a": { "f:c": {} } }));
  deepEqual(ownedPart(object, isEngine)?.spec?.["a"], { b: 1, c: 2 });
});
