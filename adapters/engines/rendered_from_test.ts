/** What engines say they rendered a target from, and whether they were asked to look again. */
import { deepEqual, equal, notEqual } from "node:assert/strict";
import type { JsonObject, KubeObject } from "../../src/core/kube_object.ts";
import { argocd } from "./argocd.ts";
import { flux, fluxHelm } from "./flux.ts";
import { self } from "./self.ts";

function owner(kind: string, status: JsonObject, annotations: Readonly<Record<string, string>> = {}): KubeObject {
  return { apiVersion: "x/v1", kind, metadata: { name: "shop", namespace: "prod", annotations }, status };
}

const ready = (reason: string, message = ""): JsonObject => ({ type: "Ready", status: "Unknown", reason, message });

Deno.test("a Kustomization says what it applied, or attempts while it waits for health", () => {
  const revisions = { lastAppliedRevision: "main@sha1:a", lastAttemptedRevision: "main@sha1:b" };
  const from = (conditions: readonly JsonObject[]) =>
    flux.renderedFrom([owner("Kustomization", { ...revisions, conditions })]);
  equal(from([ready("Progressing", "Applying manifests")]), "main@sha1:a");
  equal(from([ready("Progressing", "Running health checks for revision b")]), "main@sha1:b");
  equal(flux.renderedFrom([owner("Kustomization", {})]), null);
  equal(flux.renderedFrom([]), null);
});

Deno.test("a HelmRelease says the chart and the values of what is deployed, never of what failed", () => {
  const release = (configDigest: string, chartVersion: string, status = "deployed") => ({
    configDigest,
    chartVersion,
    status,
  });
  const from = (...history: readonly JsonObject[]) => fluxHelm.renderedFrom([owner("HelmRelease", { history })]);
  equal(from(), null);
  const first = from(release("sha256:a", "1.0.0"));
  notEqual(first, from(release("sha256:b", "1.0.0")));
  notEqual(first, from(release("sha256:a", "1.0.1")));
  equal(first, from(release("sha256:b", "1.0.1", "failed"), release("sha256:a", "1.0.0")));
  const processed = owner("HelmRelease", {
    history: [release("sha256:a", "1.0.0")],
    observedPostRenderersDigest: "sha256:c",
  });
  notEqual(first, fluxHelm.renderedFrom([processed]));
});

Deno.test("an Application says what it synced, its sources with their parameters included", () => {
  const from = (sync: JsonObject) =>
    argocd.renderedFrom([owner("Application", { operationState: { syncResult: sync } })]);
  const source = (tag: string) => ({ helm: { parameters: [{ name: "image.tag", value: tag }] } });
  equal(argocd.renderedFrom([owner("Application", { sync: { revision: "a" } })]), null);
  notEqual(from({ revision: "a", source: source("1") }), from({ revision: "a", source: source("2") }));
  notEqual(from({ revision: "a" }), from({ revision: "b" }));
  notEqual(from({ revisions: ["a", "b"] }), from({ revisions: ["a", "c"] }));
  equal(from({ revision: "a", resources: [1] }), from({ revision: "a", resources: [2] }));
});

Deno.test("an engine that was asked to look at the tip has done so once it says so", () => {
  const requested = { "reconcile.fluxcd.io/requestedAt": "now" };
  equal(flux.isAsked([owner("Kustomization", {}, requested)]), true);
  equal(flux.isAsked([owner("Kustomization", { lastHandledReconcileAt: "now" }, requested)]), false);
  equal(flux.isAsked([owner("Kustomization", {})]), false);
  equal(argocd.isAsked([owner("Application", {}, { "argocd.argoproj.io/refresh": "hard" })]), true);
  equal(argocd.isAsked([owner("Application", {})]), false);
  deepEqual([self.isAsked(), flux.isAsked([]), argocd.isAsked([])], [false, false, false]);
});

Deno.test("field managers are told as the engines name theirs", () => {
  const known = ["kustomize-controller", "helm-controller", "argocd-controller", "kubectl-edit", "serin"];
  deepEqual(known.filter(flux.writes), ["kustomize-controller", "helm-controller"]);
  deepEqual(known.filter(argocd.writes), ["argocd-controller"]);
  deepEqual(known.filter(() => self.writes()), []);
});
