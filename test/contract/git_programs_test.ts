/** The patches that let the agent run programs: each fits the Deployment as it is, and opens no more than it says. */
import { deepStrictEqual, ok } from "node:assert/strict";
import { parse } from "yaml";
import { at, listAt, stringAt } from "../../src/core/kube_object.ts";
import { isObject, patched } from "../support/json_patch.ts";

const DEPLOY = new URL("../../deploy/", import.meta.url);
const CONTAINER = ["spec", "template", "spec", "containers", 0] as const;

async function read(path: string): Promise<unknown> {
  return parse(await Deno.readTextFile(new URL(path, DEPLOY)));
}

const PATCHES = [
  { name: "git_programs", programs: "ssh,gpg", sizeLimit: "16Mi" },
  { name: "kustomize", programs: "kustomize", sizeLimit: "64Mi" },
];

for (const { name, programs, sizeLimit } of PATCHES) {
  const title = `deploy/overlays/${name}.yaml fits the Deployment, and adds two flags and a folder in memory`;
  Deno.test(title, () => fits(`overlays/${name}.yaml`, { programs, sizeLimit }));
}

async function fits(
  path: string,
  { programs, sizeLimit }: { readonly programs: string; readonly sizeLimit: string },
): Promise<void> {
  const before = await read("base/deployment.yaml");
  const patch = await read(path);
  ok(Array.isArray(patch));
  const after = patched(before, patch);
  const flagsOf = (object: unknown) => listAt(object, ...CONTAINER, "args").map(String);
  const [old, now] = [flagsOf(before), flagsOf(after)];
  deepStrictEqual(now.filter((flag) => !old.includes(flag)), [`--allow-run=${programs}`, "--allow-write=/tmp"]);
  deepStrictEqual(now.filter((flag) => old.includes(flag)), old);
  ok(now.indexOf("--allow-write=/tmp") < now.indexOf("src/main.ts"));
  const mount = listAt(after, ...CONTAINER, "volumeMounts").find((one) => stringAt(one, "mountPath") === "/tmp");
  const volume = listAt(after, "spec", "template", "spec", "volumes").find((one) =>
    stringAt(one, "name") === stringAt(mount, "name")
  );
  deepStrictEqual(at(volume, "emptyDir"), { medium: "Memory", sizeLimit });
  deepStrictEqual(at(after, ...CONTAINER, "securityContext"), at(before, ...CONTAINER, "securityContext"));
  ok(isObject(before) && flagsOf(before).length === old.length);
}

Deno.test("Secrets that the Deployment mounts are those of the example", async () => {
  const example = await Deno.readTextFile(new URL("base/secrets.example.yaml", DEPLOY));
  const sources = listAt(
    await read("base/deployment.yaml"),
    "spec",
    "template",
    "spec",
    "volumes",
    0,
    "projected",
    "sources",
  );
  const secrets = sources.flatMap((one) => stringAt(one, "secret", "name") ?? []);
  deepStrictEqual(secrets, ["serin-git", "serin-git-ssh", "serin-signing", "serin-hooks", "serin-alerts"]);
  for (const name of secrets) ok(example.includes(`  name: ${name}\n`), name);
});
