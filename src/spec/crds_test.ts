/** The generated files under deploy/crds and docs are current, and the CRDs structural. */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { at, isJsonObject, type Json, type JsonObject, objectAt } from "../core/kube_object.ts";
import { crds, crdYaml } from "./crds.ts";
import { specReference } from "./reference.ts";

const root = new URL("../../", import.meta.url);

for (const [name, crd] of crds()) {
  Deno.test(`deploy/crds/${name}.yaml is what the schema makes`, () => {
    const text = Deno.readTextFileSync(new URL(`deploy/crds/${name}.yaml`, root));
    assert.equal(text, crdYaml(crd), `Run deno run src/spec/crds.ts ${name} > deploy/crds/${name}.yaml`);
    // Both YAML versions must read it the same: the API server's is the older one.
    assert.deepEqual(parse(text, { version: "1.1" }), parse(text));
  });

  Deno.test(`deploy/crds/${name}.yaml is structural`, () => {
    const schema = objectAt(at(crd, "spec", "versions", 0, "schema"), "openAPIV3Schema");
    assert.deepEqual(unstructured(schema, "$"), []);
  });
}

/** Places where a schema is not structural: no type, or a type inside oneOf, anyOf, allOf or not. */
function unstructured(schema: JsonObject, path: string): readonly string[] {
  const found: string[] = [];
  const typed = typeof schema["type"] === "string" || schema["x-kubernetes-int-or-string"] === true;
  if (!typed) found.push(`${path} has no type`);
  for (const key of ["oneOf", "anyOf", "allOf", "not"]) {
    if (/"(type|default|description|additionalProperties)":/.test(JSON.stringify(schema[key] ?? null))) {
      found.push(`${path}.${key}`);
    }
  }
  const below: readonly (readonly [string, Json | undefined])[] = [
    ...Object.entries(objectAt(schema, "properties")).map(([name, inner]) => [`${path}.${name}`, inner] as const),
    [`${path}[]`, schema["items"]],
    [`${path}.*`, schema["additionalProperties"]],
  ];
  return [...found, ...below.flatMap(([inner, value]) => (isJsonObject(value) ? unstructured(value, inner) : []))];
}

Deno.test("docs/canary.md is what the schema makes", () => {
  const text = Deno.readTextFileSync(new URL("docs/canary.md", root));
  assert.equal(text, specReference(), "Run deno run src/spec/reference.ts > docs/canary.md");
});
