/** Ownership and merging, by table and by property; the real server's answers are in `fixtures/kubernetes-api`. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { at, type Json, type JsonObject } from "../../core/kube_object.ts";
import { decodeFields, difference, encodeFields, isEmptySet, paths, pathText, union } from "./field_set.ts";
import { kinds } from "./kinds.ts";
import type { Owner } from "./managed_fields.ts";
import { apply, type Owned, updateOwners } from "./ownership.ts";
import { StatusError } from "./status_error.ts";
import { fieldSetOf, merge, sameJson } from "./typed_merge.ts";

const schemaOf = (name: string) => {
  const found = kinds.find((kind) => kind.kind === name && kind.group !== "serin.dev");
  assert.ok(found !== undefined);
  return found.schema;
};
const deployment = schemaOf("Deployment");
const reset = decodeFields({ "f:status": {} });

const applier = (manager: string) => ({ manager, operation: "Apply", apiVersion: "apps/v1", time: "t" } as const);
const updater = (manager: string) => ({ manager, operation: "Update", apiVersion: "apps/v1", time: "t" } as const);

function applyAs(manager: string, live: Owned, config: JsonObject, force = false): Owned {
  return apply(live, config, { schema: deployment, writer: applier(manager), reset, force });
}

const empty: Owned = { object: {}, owners: [] };
const container = (name: string, more: JsonObject = {}) => ({ name, image: `${name}:1`, ...more });
const withContainers = (...containers: readonly Json[]): JsonObject => ({
  spec: { template: { spec: { containers } } },
});
const names = (owned: Owned) =>
  (at(owned.object, "spec", "template", "spec", "containers") as readonly Json[]).map((one) => at(one, "name"));
const ownedBy = (owned: { readonly owners: readonly Owner[] }, manager: string) =>
  paths(owned.owners.find((owner) => owner.manager === manager)?.fields ?? decodeFields({})).map(pathText);

Deno.test("apply() merges keyed lists item by item and keeps items that others own", () => {
  const first = applyAs("one", empty, withContainers(container("a"), container("b")));
  const second = applyAs("two", first, withContainers(container("c"), { name: "a", workingDir: "/x" }));
  assert.deepEqual(names(second), ["c", "a", "b"]);
  assert.equal(at(second.object, "spec", "template", "spec", "containers", 1, "image"), "a:1");
});

Deno.test("apply() removes an item when its last owner drops it, and not before", () => {
  const first = applyAs("one", empty, withContainers(container("a"), container("b")));
  const second = applyAs("two", first, withContainers({ name: "b" }));
  const third = applyAs("one", second, withContainers(container("a")));
  assert.deepEqual(names(third), ["a", "b"]);
  assert.equal(at(third.object, "spec", "template", "spec", "containers", 1, "image"), undefined);
  assert.deepEqual(names(applyAs("two", third, { spec: {} })), ["a"]);
});

Deno.test("apply() replaces an atomic list whole, and conflicts over it whole", () => {
  const live = applyAs("one", empty, {
    spec: { template: { spec: { containers: [{ name: "a", command: ["x", "y"] }] } } },
  });
  const config = withContainers({ name: "a", command: ["z"] });
  assert.throws(() => applyAs("two", live, config), (error: unknown) => {
    assert.ok(error instanceof StatusError);
    assert.deepEqual(error.details?.causes?.map((cause) => cause.field), [
      '.spec.template.spec.containers[name="a"].command',
    ]);
    return true;
  });
  const forced = applyAs("two", live, config, true);
  assert.deepEqual(at(forced.object, "spec", "template", "spec", "containers", 0, "command"), ["z"]);
  assert.ok(!ownedBy(forced, "one").some((path) => path.endsWith("command")));
});

Deno.test("apply() leaves a map that is still named, but lost its last key, empty", () => {
  const live = applyAs("one", empty, { metadata: { annotations: { a: "1" } } });
  const after = applyAs("one", live, { metadata: { annotations: {} } });
  assert.deepEqual(after.object, { metadata: { annotations: {} } });
});

Deno.test("updateOwners() gives changed fields to the writer and takes removed ones from all", () => {
  const live = applyAs("agent", empty, { metadata: { labels: { a: "1" } }, spec: { replicas: 1, minReadySeconds: 5 } });
  const context = { schema: deployment, writer: updater("kubectl"), reset };
  const owners = updateOwners(live, { metadata: { labels: { a: "1" } }, spec: { replicas: 3 } }, context);
  assert.deepEqual(ownedBy({ owners }, "kubectl"), [".spec.replicas"]);
  assert.deepEqual(ownedBy({ owners }, "agent"), [".metadata.labels.a"]);
});

Deno.test("updateOwners() records nothing for fields that the endpoint cannot write", () => {
  const context = { schema: deployment, writer: updater("kubectl"), reset };
  const owners = updateOwners(empty, { spec: { replicas: 1 }, status: { replicas: 1 } }, context);
  assert.deepEqual(ownedBy({ owners }, "kubectl"), [".spec", ".spec.replicas"]);
});

/** Without the null prototypes that fast-check gives its records. */
function plain(object: JsonObject): JsonObject {
  return JSON.parse(JSON.stringify(object));
}

/** Small configurations of a Deployment: labels, replicas, keyed containers with an atomic command. */
const config: fc.Arbitrary<JsonObject> = fc.record({
  labels: fc.dictionary(fc.constantFrom("a", "b", "c"), fc.constantFrom("1", "2"), { maxKeys: 3 }),
  replicas: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
  containers: fc.uniqueArray(
    fc.record({
      name: fc.constantFrom("x", "y", "z"),
      image: fc.constantFrom("i:1", "i:2"),
      command: fc.array(fc.constantFrom("p", "q"), { maxLength: 2 }),
    }),
    { selector: (one) => one.name, maxLength: 3 },
  ),
}).map(({ labels, replicas, containers }): JsonObject =>
  plain({
    ...(Object.keys(labels).length === 0 ? {} : { metadata: { labels } }),
    spec: {
      ...(replicas === undefined ? {} : { replicas }),
      ...(containers.length === 0 ? {} : { template: { spec: { containers } } }),
    },
  })
);

Deno.test("a forced apply always shows what was applied, and a second one changes nothing", () => {
  fc.assert(fc.property(config, config, config, (one, two, again) => {
    const live = applyAs("two", applyAs("one", empty, one, true), two, true);
    const after = applyAs("one", live, again, true);
    assert.ok(sameJson(merge(after.object, again, deployment), after.object));
    const repeated = applyAs("one", after, again);
    assert.deepEqual(repeated, after);
  }));
});

Deno.test("what only one manager applied is gone once it applies nothing", () => {
  fc.assert(fc.property(config, config, (one, two) => {
    const shared = applyAs("two", applyAs("one", empty, one, true), two, true);
    const left = applyAs("one", shared, { spec: {} }, true);
    const kept = difference(fieldSetOf(left.object, deployment), fieldSetOf(two, deployment));
    assert.deepEqual(paths(kept).map(pathText).filter((path) => path !== ".spec" && path !== ".metadata"), []);
  }));
});

Deno.test("fieldsV1 survives being written and read", () => {
  fc.assert(fc.property(config, config, (one, two) => {
    const set = union(fieldSetOf(one, deployment), fieldSetOf(two, deployment));
    const back = decodeFields(encodeFields(set));
    assert.ok(isEmptySet(difference(set, back)) && isEmptySet(difference(back, set)));
  }));
});
