/** The schema against Flagger's own CRDs and against manifests of real repositories, where those files are at hand. */
import assert from "node:assert/strict";
import { parse } from "yaml";
import { at, isJsonObject, type JsonObject, objectAt } from "../core/kube_object.ts";
import { crds } from "./crds.ts";
import { isManifestPath, parseFile } from "./parse_file.ts";

/** Folder of the shared files; tests may run without the right to read the environment. */
function sharedFolder(): string {
  const { state } = Deno.permissions.querySync({ name: "env", variable: "SERIN_SHARED" });
  return (state === "granted" ? Deno.env.get("SERIN_SHARED") : undefined) ?? "../shared";
}

const shared = new URL(`${sharedFolder()}/`, new URL("../../", import.meta.url));

/** Runs only where a folder of the shared files is there, and says so where it is not. */
function withShared(folder: string, run: (folder: URL) => void): void {
  const url = new URL(`${folder}/`, shared);
  try {
    Deno.statSync(url);
  } catch {
    Deno.stderr.writeSync(
      new TextEncoder().encode(`left out: no folder "${folder}" (SERIN_SHARED names where it is)\n`),
    );
    return;
  }
  run(url);
}

function schemaOf(crd: JsonObject): JsonObject {
  return objectAt(at(crd, "spec", "versions", 0, "schema"), "openAPIV3Schema");
}

/** Every field's path with its type. */
function paths(schema: JsonObject, path = ""): readonly string[] {
  const inner = (
    name: string,
    value: unknown,
  ): readonly string[] => (isJsonObject(value) ? paths(value, `${path}${name}`) : []);
  return [
    `${path} ${schema["x-kubernetes-int-or-string"] === true ? "int-or-string" : kindOf(schema)}`,
    ...Object.entries(objectAt(schema, "properties")).flatMap(([name, value]) => inner(`.${name}`, value)),
    ...inner("[]", schema["items"]),
    ...inner(".*", schema["additionalProperties"]),
  ];
}

/** Flagger calls whole numbers "number"; some of its objects have no type. */
function kindOf(schema: JsonObject): string {
  const { type } = schema as { readonly type?: unknown };
  if (type === "integer") return "number";
  return typeof type === "string" ? type : "object";
}

/** Values that are allowed, by path. */
function enums(schema: JsonObject, path = ""): readonly string[] {
  const own = Array.isArray(schema["enum"]) ? [`${path} ${JSON.stringify([...schema["enum"]].sort())}`] : [];
  const inner = (
    name: string,
    value: unknown,
  ): readonly string[] => (isJsonObject(value) ? enums(value, `${path}${name}`) : []);
  return [
    ...own,
    ...Object.entries(objectAt(schema, "properties")).flatMap(([name, value]) => inner(`.${name}`, value)),
    ...inner("[]", schema["items"]),
    ...inner(".*", schema["additionalProperties"]),
  ];
}

/** Flagger's file has quoted texts whose lines stand too far left for this library; they are prose. */
function upstreamCrd(folder: URL, plural: string): JsonObject {
  const text = Deno.readTextFileSync(new URL(`${plural}.yaml`, folder));
  return schemaOf(parse(text.replaceAll(/description: '[^']*'/g, "description: prose")));
}

for (const plural of ["canaries", "metrictemplates", "alertproviders"]) {
  Deno.test(`the flagger.app schema of ${plural} has exactly the fields of Flagger's CRD`, () => {
    withShared("crds/flagger", (folder) => {
      const upstream = upstreamCrd(folder, plural);
      const ours = schemaOf(crds().get(`flagger.app_${plural}`) ?? {});
      assert.deepEqual(paths(ours).toSorted(), paths(upstream).toSorted());
      assert.deepEqual(enums(ours).toSorted(), enums(upstream).toSorted());
    });
  });

  Deno.test(`the serin.dev schema of ${plural} has every field of Flagger's CRD`, () => {
    withShared("crds/flagger", (folder) => {
      const upstream = paths(upstreamCrd(folder, plural));
      const ours = new Set(paths(schemaOf(crds().get(`serin.dev_${plural}`) ?? {})));
      assert.deepEqual(upstream.filter((path) => !ours.has(path)), []);
    });
  });
}

function filesIn(folder: URL): readonly URL[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesIn(new URL(`${encodeURIComponent(name)}/`, folder)) : [new URL(encodeURIComponent(name), folder)]
  );
}

Deno.test("parseFile() reads every manifest of real repositories, or says why not", () => {
  withShared("manifests-corpus", (folder) => {
    const manifests = filesIn(folder).filter(({ pathname }) => isManifestPath(pathname));
    assert.ok(manifests.length > 50);
    let objects = 0;
    const broken: string[] = [];
    for (const url of manifests) {
      const parsed = parseFile(url.pathname.slice(folder.pathname.length), Deno.readFileSync(url));
      objects += parsed.manifests.length;
      if (parsed.state !== "parsed") assert.notEqual(parsed.reason, "", url.pathname);
      if (parsed.complaints.length > 0) broken.push(parsed.path);
    }
    // One has placeholders for sed, the other a key twice, which Flux refuses and a writer cannot edit safely.
    assert.deepEqual(broken, [
      "longhorn-longhorn/dev/scale-test/statefulset.yaml",
      "spring-petclinic-spring-petclinic-cloud/k8s/customers-service-deployment.yaml",
    ]);
    assert.ok(objects > 200, `${objects} objects`);
  });
});
