/** A repository of two canaries with the locks that promotions would have left, for tests of `serin plan`. */
import { canaryKey } from "../../src/core/canary.ts";
import type { QuarantineEntry } from "../../src/core/decision.ts";
import type { Release } from "../../src/core/release.ts";
import { lockPath, renderLockFile } from "../../src/ledger/lock_file.ts";
import { renderStatusFile, statusPath } from "../../src/ledger/status_file.ts";
import { buildCatalogue } from "../../src/spec/catalogue.ts";
import { parseFile } from "../../src/spec/parse_file.ts";
import { testCapabilities } from "./capabilities.ts";
import { aLock, aStatus } from "./ledger_builders.ts";

type Files = Readonly<Record<string, string>>;

/** Manifests of "prod/shop" (with a ConfigMap) and "prod/api", all at version 1. */
export const MANIFESTS: Files = {
  "apps/shop/canary.yaml": canaryOf("shop"),
  "apps/shop/deployment.yaml": `# The shop.
${deploymentOf("shop")}        envFrom: [{ configMapRef: { name: shop-config } }]
---
apiVersion: v1
kind: ConfigMap
metadata: { name: shop-config, namespace: prod }
data: { colour: blue }
`,
  "apps/api.yaml": `${canaryOf("api")}---\n${deploymentOf("api")}`,
};

function canaryOf(name: string): string {
  return `apiVersion: flagger.app/v1beta1
kind: Canary
metadata: { name: ${name}, namespace: prod }
spec:
  provider: istio
  targetRef: { apiVersion: apps/v1, kind: Deployment, name: ${name} }
  service: { port: 80 }
  analysis: { interval: 1m, threshold: 3, stepWeight: 10, maxWeight: 50 }
`;
}

function deploymentOf(name: string): string {
  return `apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name}, namespace: prod }
spec:
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      containers:
      - name: app
        image: "${name}:1"
        ports: [{ containerPort: 8080 }]
`;
}

/** What the agent takes the manifests to declare. */
export function releasesOf(files: Files): ReadonlyMap<string, Release> {
  const encoder = new TextEncoder();
  const parsed = Object.entries(files).map(([path, text]) => [path, parseFile(path, encoder.encode(text))] as const);
  const { entries } = buildCatalogue("1".repeat(40), new Map(parsed), testCapabilities());
  return new Map([...entries].flatMap(([key, entry]) => (entry.type === "canary" ? [[key, entry.release]] : [])));
}

/** Locks of all canaries of some manifests, in a cluster; `quarantine` stands in the status file of each. */
export function locksOf(files: Files, cluster = "eu", quarantine: readonly QuarantineEntry[] = []): Files {
  const locks = [...releasesOf(files)].flatMap(([key, release]) => {
    const [namespace = "", name = ""] = key.split("/");
    const canary = { namespace, name };
    const identity = { name: cluster, uid: `uid-${cluster}` };
    const declaredIn = { canary: name === "api" ? "apps/api.yaml" : "apps/shop/canary.yaml", target: "" };
    const lock = renderLockFile(aLock({ canary, release, cluster: identity }), declaredIn);
    const status = renderStatusFile(aStatus({ canary, cluster: identity, quarantine }));
    return [[lockPath(cluster, canary), lock], [statusPath(cluster, canary), status]];
  });
  return Object.fromEntries(locks);
}

/** The revision that manifests give a canary. */
export function revisionIn(files: Files, name: string): string {
  return releasesOf(files).get(canaryKey({ namespace: "prod", name }))?.revision ?? "";
}

/** Files with a text replaced in one of them. */
export function edited(files: Files, path: string, from: string, to: string): Files {
  const before = files[path] ?? "";
  if (!before.includes(from)) throw new Error(`"${path}" does not hold "${from}"`);
  return { ...files, [path]: before.replace(from, to) };
}
