/** The writer and a release that an engine rendered: which places in Git go back to the byte, and which are left alone. */
import assert from "node:assert/strict";
import type { Decision, DecisionOutcome } from "../core/decision.ts";
import type { Release } from "../core/release.ts";
import { renderLockFile } from "../ledger/lock_file.ts";
import type { ReleaseRenderer } from "../ledger/places/release_renderer.ts";
import { createLedger } from "../ledger/writer.ts";
import { aDeployment, aRelease } from "../../test/support/builders.ts";
import { aDecision, aLock, CLUSTER } from "../../test/support/ledger_builders.ts";
import { AUTHOR, reader } from "../../test/support/ledger_world.ts";
import { ManualClock } from "../../test/support/manual_clock.ts";
import { MemoryGit } from "../../test/support/memory_git.ts";
import { canaryFile } from "../../test/support/shop_files.ts";
import { liveRelease } from "./live_release.ts";

const NAME = "ghcr.io/acme/shop";
const HELM = "helm.toolkit.fluxcd.io/HelmRelease prod/shop";
const ARGO = "argoproj.io/Application argocd/shop";
const CANARY = canaryFile().replace("spec:\n", "spec:\n  render: live\n").replace(
  "flagger.app/v1beta1",
  "serin.dev/v1",
);

const NOBODY: ReleaseRenderer = {
  carriers: () => Promise.resolve([]),
  render: () => Promise.resolve({ type: "refused", reason: "nobody" }),
};

function rendered(tag: string, owner: string, rest = "rest", name = NAME): Release {
  const { target, configs } = aRelease({ target: aDeployment({ image: `${name}:${tag}` }) });
  const template = `of-${tag}`;
  const images = [{ container: "app", image: `${name}:${tag}` }];
  const rendering = { template, rest, source: `from-${tag}`, owner };
  return { revision: template, commit: "1".repeat(40), images, target, configs, scaler: null, rendering };
}

const helmRelease = (tag: string, name = "shop", image = `{tag: "${tag}"}`): string =>
  `# by hand\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: ${name}, namespace: prod}\nspec:\n  values:\n    image: ${image} # bump here\n`;
const application = (tag: string): string =>
  `apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: shop, namespace: argocd}\nspec:\n  source:\n    repoURL: https://git.example.com/fleet\n    path: charts/shop\n    helm:\n      parameters:\n        - {name: image.tag, value: "${tag}"}\n`;
const naming =
  `apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: shop, namespace: argocd}\nspec:\n  source:\n    repoURL: https://git.example.com/fleet\n    path: charts/shop\n    helm: {valueFiles: [values-prod.yaml]}\n`;
const valuesFile = (tag: string): string => `image:\n  repository: ${NAME}\n  tag: ${tag} # bump here\n`;
const deployment = (tag: string): string =>
  `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop, namespace: prod}\nspec:\n  template:\n    spec:\n      containers:\n        - name: app\n          image: ${NAME}:${tag}\n          env: [{name: TOKEN, value: "\${TOKEN}"}]\n`;

interface Case {
  readonly owner?: string;
  /** Files at the tip, where release 2 failed. */
  readonly files: Readonly<Record<string, string>>;
  readonly judged?: Release;
  readonly wanted?: Release;
  readonly kind?: Decision["kind"];
  readonly roots?: readonly string[];
}

interface Reverted {
  readonly git: MemoryGit;
  readonly outcome: DecisionOutcome | undefined;
  readonly text: (path: string) => string;
}

async function revert({ owner = HELM, files, roots = [""], kind = "revert", ...given }: Case): Promise<Reverted> {
  const git = new MemoryGit({ "apps/canary.yaml": CANARY, ...files });
  const clock = new ManualClock();
  const judged = given.judged ?? rendered("2.0.0", owner);
  const wanted = given.wanted ?? rendered("1.0.0", owner);
  const ledger = createLedger({
    remote: git.connect(),
    reader,
    cluster: CLUSTER,
    clock,
    author: AUTHOR,
    isLeader: () => true,
    renderer: liveRelease({ cluster: CLUSTER.name, roots }, NOBODY),
  });
  const stop = new AbortController();
  const running = ledger.run(stop.signal);
  try {
    const lock = aLock({ release: wanted });
    const verdict = { manifests: wanted, quarantine: { release: judged, reason: "It failed" } };
    const promoted = aLock({ release: judged, decision: "run-1/x" });
    const what = kind === "revert" ? { lock, ...verdict } : { lock: promoted };
    ledger.submit(aDecision({ id: "run-1/x", kind, release: judged, ...what }));
    for (let turn = 0; turn < 300 && ledger.outcome("run-1/x")?.type === "pending"; turn++) await clock.advance(0);
    return { git, outcome: ledger.outcome("run-1/x"), text: (path) => git.text(path) ?? "" };
  } finally {
    stop.abort();
    await running;
  }
}

const message = ({ git }: Reverted): string => git.log(1)[0]?.message ?? "";
const why = ({ outcome }: Reverted): string =>
  outcome?.type === "impossible" ? outcome.reason : JSON.stringify(outcome);

for (
  const [name, path, text, owner, more] of [
    ["a tag alone in the values of its HelmRelease", "apps/release.yaml", helmRelease, HELM, {}],
    ["a parameter of its Application", "apps/app.yaml", application, ARGO, {}],
    ["a values file that its Application names", "charts/shop/values-prod.yaml", valuesFile, ARGO, {
      "apps/app.yaml": naming,
    }],
    [
      "its own manifest, which Flux fills in",
      "apps/shop.yaml",
      deployment,
      "kustomize.toolkit.fluxcd.io/Kustomization flux-system/apps",
      {},
    ],
    ["its HelmRelease, beside another one of the same version", "apps/release.yaml", helmRelease, HELM, {
      "apps/other.yaml": helmRelease("2.0.0", "other"),
    }],
    [
      "values that leave the registry to the chart",
      "apps/release.yaml",
      (tag: string) => helmRelease(tag, "shop", `{repository: acme/shop, tag: "${tag}"}`),
      HELM,
      {},
    ],
  ] as const
) {
  Deno.test(`a failed release goes back in ${name}`, async () => {
    const reverted = await revert({ owner, files: { ...more, [path]: text("2.0.0") } });
    assert.equal(reverted.outcome?.type, "committed", why(reverted));
    assert.equal(reverted.text(path), text("1.0.0"));
    assert.match(message(reverted), /^Revert prod\/shop to shop:1\.0\.0/);
    for (const [other, before] of Object.entries(more)) assert.equal(reverted.text(other), before);
  });
}

const FILE = "apps/release.yaml";
const full = (tag: string, name: string): string => helmRelease(tag, name, `"${NAME}:${tag}"`);

Deno.test("where no place is known, or several may decide it, nothing is edited and a person is told", async () => {
  const none = await revert({ files: {} });
  assert.match(why(none), /no place in Git is known to carry it/);
  const several = await revert({ files: { "a.yaml": full("2.0.0", "a"), "b.yaml": full("2.0.0", "b") } });
  assert.match(why(several), /several places may decide it, and only the engine can render them/);
  const alone = await revert({ files: { "a.yaml": helmRelease("2.0.0", "a") } });
  assert.match(why(alone), /does not say all of it/);
  for (const path of ["a.yaml", "b.yaml"]) assert.equal(several.text(path), full("2.0.0", path[0] ?? ""));
});

Deno.test("places outside of the sources' paths are not looked at", async () => {
  const files = { [FILE]: helmRelease("2.0.0"), "clusters/us/release.yaml": helmRelease("2.0.0") };
  assert.match(why(await revert({ files })), /several places/);
  const reverted = await revert({ files, roots: ["apps"] });
  assert.equal(reverted.text(FILE), helmRelease("1.0.0"));
  assert.equal(reverted.text("clusters/us/release.yaml"), helmRelease("2.0.0"));
});

Deno.test("a tip that says something newer, or the lock's image already, is left alone and the verdict is written", async () => {
  const newer = await revert({ files: { [FILE]: helmRelease("3.0.0") } });
  assert.equal(newer.text(FILE), helmRelease("3.0.0"));
  assert.match(message(newer), /another image by now/);
  const back = await revert({ files: { [FILE]: helmRelease("1.0.0") } });
  assert.match(message(back), /declare this release already/);
});

Deno.test("where more than images differs nothing is edited", async () => {
  const judged = rendered("2.0.0", HELM, "another rest");
  const reverted = await revert({ files: { [FILE]: helmRelease("2.0.0") }, judged });
  assert.match(why(reverted), /more than images differs/);
  assert.equal(reverted.text(FILE), helmRelease("2.0.0"));
});

Deno.test("a place that another canary of the object or another cluster is served from is left alone", async () => {
  const lockOf = (cluster: string, name: string, file: string): Readonly<Record<string, string>> => {
    const lock = aLock({ release: rendered("1.0.0", HELM), canary: { namespace: "prod", name } });
    const text = renderLockFile({ ...lock, cluster: { name: cluster, uid: cluster } }, { canary: file, target: file });
    return { [`.serin/${cluster}/prod/${name}/primary.yaml`]: text };
  };
  const files = { [FILE]: helmRelease("2.0.0") };
  const beside = await revert({ files: { ...files, ...lockOf(CLUSTER.name, "worker", "apps/worker.yaml") } });
  assert.match(message(beside), /canary "prod\/worker" depends on them too/);
  const abroad = await revert({ files: { ...files, ...lockOf("us", "shop", "apps/us/canary.yaml") } });
  assert.match(message(abroad), /cluster "us" depends on them too/);
  const elsewhere = await revert({ files: { ...files, ...lockOf("us", "shop", "us/canary.yaml") } });
  assert.equal(elsewhere.text(FILE), helmRelease("1.0.0"));
});

Deno.test("a lock of what an engine rendered says names, images and hashes, and no more", async () => {
  const judged = rendered("2.0.0", HELM);
  const promoted = await revert({ files: { [FILE]: helmRelease("2.0.0") }, judged, kind: "promotion" });
  assert.equal(promoted.outcome?.type, "committed", why(promoted));
  const text = promoted.text(`.serin/${CLUSTER.name}/prod/shop/primary.yaml`);
  assert.match(text, /rendering:\n {6}template: of-2\.0\.0\n {6}rest: rest\n {6}source: from-2\.0\.0/);
  assert.match(text, new RegExp(`image: ${NAME}:2.0.0`));
  assert.doesNotMatch(text, /selector|labels|env|ports/);
});
