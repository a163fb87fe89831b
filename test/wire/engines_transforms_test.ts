/**
 * An engine's object that changes a target beyond its files: a rollout of it does not start, and says which field of which
 * object is why. Once the field is gone, the same candidate is promoted.
 */
import { deepStrictEqual, match } from "node:assert/strict";
import { type JsonObject, numberAt } from "../../src/core/kube_object.ts";
import { REPOSITORY } from "../../src/demo/stage.ts";
import type { Sandbox } from "../../src/sandbox/sandbox.ts";
import { appFiles, imageOf, manifestOf } from "../support/app_files.ts";
import { type FakeEngine, startFakeArgo, startFakeFlux } from "../support/fake_engines.ts";
import { withStage } from "../support/stage.ts";

const NAME = "shop";
const IMAGE = imageOf(NAME, "").slice(0, -1);
const KUSTOMIZATION = {
  apiVersion: "kustomize.toolkit.fluxcd.io/v1",
  kind: "Kustomization",
  namespace: "flux-system",
  name: "apps",
};
const APPLICATION = { apiVersion: "argoproj.io/v1alpha1", kind: "Application", namespace: "argocd", name: "apps" };

interface Row {
  readonly start: (sandbox: Sandbox) => FakeEngine;
  readonly owner: typeof KUSTOMIZATION;
  readonly on: JsonObject;
  readonly off: JsonObject;
  readonly said: RegExp;
}

const ROWS: readonly Row[] = [{
  start: startFakeFlux,
  owner: KUSTOMIZATION,
  on: { images: [{ name: IMAGE, newTag: "9.9.9" }] },
  off: { images: null },
  said: /^Kustomization "flux-system\/apps" \(spec\.images\[0\]\) changes what it applies.*"render: live"/,
}, {
  start: startFakeArgo,
  owner: APPLICATION,
  on: { source: { kustomize: { images: [`${IMAGE}:9.9.9`] } } },
  off: { source: { kustomize: null } },
  said: /^Application "argocd\/apps" \(spec\.source\.kustomize\.images\[0\]\) changes what it applies.*"render: live"/,
}];

for (const { start, owner, on, off, said } of ROWS) {
  Deno.test(`${owner.kind}: one that changes an image keeps a rollout from starting, and says so`, async () => {
    await withStage({
      files: appFiles({ name: NAME, analysis: { stepWeights: [50], metrics: [] } }),
      engine: "detect",
      initialised: false,
      prepare: async (sandbox) => {
        const engine = start(sandbox);
        await engine.sync();
        return () => engine.stop();
      },
    }, async (stage) => {
      const { store } = stage.sandbox.api;
      const shop = stage.of(NAME);
      await shop.see("initialised", ({ phase, last }) => phase === "idle" && last?.outcome === "initialised");
      store.patch(owner, { spec: on });
      const text = await stage.sandbox.git.read(REPOSITORY, manifestOf(NAME)) ?? "";
      const bumped = text.replace(imageOf(NAME, "1.0.0"), imageOf(NAME, "2.0.0"));
      await stage.sandbox.git.commit(REPOSITORY, { [manifestOf(NAME)]: bumped }, { message: "Bump shop" });
      const view = await shop.see("stalled", ({ waitsFor, stalled }) => said.test(stalled ?? waitsFor ?? ""));
      match(view.stalled ?? view.waitsFor ?? "", said);
      const target = store.get({ apiVersion: "apps/v1", kind: "Deployment", namespace: "demo", name: NAME });
      deepStrictEqual([view.phase, view.weight, numberAt(target, "spec", "replicas")], ["idle", 0, 0]);
      store.patch(owner, { spec: off });
      await shop.see(
        "promoted",
        ({ phase, last, lockImages }) =>
          phase === "idle" && last?.outcome === "succeeded" && lockImages[0] === imageOf(NAME, "2.0.0"),
      );
    });
  });
}
