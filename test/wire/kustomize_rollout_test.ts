/**
 * The agent on the sandbox with canaries that kustomize renders: a bump of an overlay's `images` is rolled out and
 * promoted, the next one fails and goes back in the overlay, and a Secret's value is in no object that was written.
 */
import { deepStrictEqual, doesNotMatch, match, ok, strictEqual } from "node:assert/strict";
import { REPOSITORY } from "../../src/demo/stage.ts";
import { stringAt } from "../../src/core/kube_object.ts";
import { canaryFileOf, imageOf, manifestOf, NAMESPACE } from "../support/app_files.ts";
import {
  bareGit,
  closeGate,
  decisionsOf,
  type FaultStage,
  gated,
  openGate,
  promoted,
  rests,
  tagOf,
  usersOf,
  withFaults,
} from "../support/fault_stage.ts";
import { findKustomize, NO_KUSTOMIZE, SECRET_VALUE } from "../support/kustomize.ts";

const OVERLAY = "clusters/sandbox/kustomization.yaml";

function overlay(tag: string): string {
  return `# Bumped by a bot.
resources:
  - ../../apps/shop
images:
  - name: registry.example/shop
    newTag: ${tag} # {"bot": "shop"}
secretGenerator:
  - name: shop-key
    namespace: demo
    literals: [key=${SECRET_VALUE}]
patches:
  - target: {kind: Deployment, name: shop}
    patch: |-
      - op: add
        path: /spec/template/spec/containers/0/env/-
        value: {name: KEY, valueFrom: {secretKeyRef: {name: shop-key, key: key}}}
`;
}

const FILES = {
  "apps/shop/kustomization.yaml": "resources: [deployment.yaml, config.yaml, canary.yaml]\n",
  [OVERLAY]: overlay("1.0.0"),
};

async function bumpOverlay({ sandbox }: FaultStage, tag: string): Promise<void> {
  await sandbox.git.commit(REPOSITORY, { [OVERLAY]: overlay(tag) }, { message: `Bump shop to ${tag}` });
}

/** Every object of the repository, as text. */
async function allObjects({ sandbox }: FaultStage): Promise<readonly string[]> {
  const listed = await bareGit(sandbox, "cat-file", "--batch-check", "--batch-all-objects");
  const texts: string[] = [];
  for (const line of listed.trim().split("\n")) {
    const [oid = "", type = ""] = line.split(" ");
    if (type === "blob" || type === "commit") texts.push(await bareGit(sandbox, "cat-file", type, oid));
  }
  return texts;
}

async function story(kustomize: string): Promise<void> {
  const apps = (hooks: Parameters<typeof gated>[1]) => [gated("shop", hooks, { spec: { render: "kustomize" } })];
  await withFaults({ apps, more: FILES, kustomize }, async (stage) => {
    const { sandbox } = stage;
    const load = usersOf(stage, "shop");
    closeGate(stage, "shop");
    await bumpOverlay(stage, "2.0.0");
    await stage.of("shop").see("at half", (view) => view.phase === "waiting-promotion" && view.weight === 50);
    const secret = new RegExp(`${SECRET_VALUE}|${btoa(SECRET_VALUE)}`);
    // What is remembered in the cluster can be read by whoever may read ConfigMaps.
    const kept = sandbox.api.store.get({
      apiVersion: "v1",
      kind: "ConfigMap",
      namespace: NAMESPACE,
      name: "serin-shop",
    });
    const remembered = stringAt(kept, "data", "state") ?? "";
    match(remembered, /shop-key-\w{10}/);
    doesNotMatch(remembered, secret);
    openGate(stage, "shop");
    await stage.of("shop").see("promoted", promoted("2.0.0"));
    await rests(sandbox, "shop", "2.0.0");
    strictEqual(await sandbox.git.read(REPOSITORY, OVERLAY), overlay("2.0.0"));

    stage.hooks.reply("/shop/check", { status: 500, body: "no" });
    await bumpOverlay(stage, "3.0.0");
    await stage.of("shop").see("failed and back", (view) => view.phase === "idle" && view.last?.outcome === "failed");
    strictEqual(await sandbox.git.read(REPOSITORY, OVERLAY), overlay("2.0.0"));
    await rests(sandbox, "shop", "2.0.0");
    await load.stop();
    deepStrictEqual(load.log.filter(({ status }) => status !== 200), []);

    const decisions = await decisionsOf(sandbox, "shop");
    match(decisions.join("\n"), /Promote demo\/shop[^]*Revert demo\/shop/);
    // The base is read through the overlay alone, and was never written.
    match(await sandbox.git.read(REPOSITORY, manifestOf("shop")) ?? "", new RegExp(imageOf("shop", "1.0.0")));
    match(await sandbox.git.read(REPOSITORY, canaryFileOf("shop")) ?? "", /render: kustomize/);
    strictEqual(tagOf(sandbox, "shop-primary"), "2.0.0");
    const objects = await allObjects(stage);
    ok(objects.some((text) => text.includes("kind: Primary")), "the lock is among them");
    // The overlay is the person's, and the only place that has it.
    for (const text of objects.filter((text) => !text.startsWith("# Bumped by a bot"))) doesNotMatch(text, secret);
  });
}

const kustomize = await findKustomize();
if (kustomize !== undefined) {
  Deno.test("a release that kustomize renders: promoted, and put back in its overlay", () => story(kustomize));
} else {
  await Deno.stderr.write(new TextEncoder().encode(`kustomize on the sandbox: 1 test left out: ${NO_KUSTOMIZE}\n`));
}
