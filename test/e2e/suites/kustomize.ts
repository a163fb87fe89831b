/**
 * One base and two overlays beside real engines: the real kustomize-controller and the real Argo CD build and apply each
 * overlay, and the agent, with the patch of deploy/overlays/kustomize.yaml, reads the same from Git. A bump of an overlay
 * is promoted, a bad one goes back in the overlay's own file, and the other overlay is left alone.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { listAt, stringAt } from "../../../src/core/kube_object.ts";
import { CANARY, REPOSITORY } from "../../../src/demo/stage.ts";
import type { CanaryDetail } from "../../../src/ports/agent.ts";
import { isSound } from "../../support/fsck.ts";
import { until } from "../../support/until.ts";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { fleetFiles } from "../fleet.ts";
import { type ArgoCd, ARGOCD_NAMESPACE, argocdKinds, foldersOf, isSynced, startArgoCd } from "../servers/argocd.ts";
import { type Flux, FLUX_NAMESPACE, fluxKinds, startFlux } from "../servers/flux.ts";
import { served, toldOf } from "../shares.ts";
import type { Run, Suite } from "../suite.ts";
import { openWorld, RIGHTS, type World } from "../world.ts";

const LOAD_PER_SECOND = 40;
const BASE = "apps/podinfo";
/** By the name of the engine's object that applies it. */
const OVERLAYS = { apps: "overlays/demo", staging: "overlays/staging" };
const DEMO = `${OVERLAYS.apps}/kustomization.yaml`;
const STAGING = `${OVERLAYS.staging}/kustomization.yaml`;
const IMAGE = "registry.example/podinfo";
const SERVERS = ["etcd", "kubernetes", "contour", "envoy", "prometheus", "kustomize"];

/** An engine that applies both overlays. */
interface OverlayApplier {
  /** What a webhook of the forge does after a push. */
  nudge(): Promise<void>;
  hasAppliedTip(): Promise<boolean>;
  /** Makes its object of the first overlay change what it applies: certainly the target's image, a patch by a label, or nothing. */
  change(what: "image" | "patch" | null): Promise<void>;
  /** How the agent names that object. */
  readonly named: string;
}

/** By a label, of which the agent does not know whom it selects. */
const PATCH = {
  target: { kind: "Deployment", labelSelector: "app=podinfo" },
  patch: "- {op: add, path: /spec/template/metadata/annotations/team, value: web}\n",
};

export const kustomize: Suite = {
  name: "kustomize",
  about: "a base and two overlays that the real kustomize-controller builds and applies",
  servers: [...SERVERS, "kustomize-controller"],
  tier: "all",
  async run(run) {
    let applier: Flux | undefined;
    const world = await open(run, "flux", {
      namespaces: [FLUX_NAMESPACE],
      kinds: await fluxKinds(run.programs),
      prepare: async (plane, git) => {
        const { processes, programs } = run;
        applier = await startFlux({ processes, programs, plane, git, repository: REPOSITORY, paths: OVERLAYS });
      },
    });
    try {
      if (applier === undefined) throw new Error("Flux was not started");
      await stories(run, world, besideFlux(world, applier));
      await run.keeper.keep();
    } finally {
      await applier?.stop();
      await world.close();
    }
  },
};

export const kustomizeArgocd: Suite = {
  name: "kustomize-argocd",
  about: "a base and two overlays that the real Argo CD builds and applies",
  servers: [...SERVERS, "argocd", "redis"],
  tier: "all",
  async run(run) {
    let applier: ArgoCd | undefined;
    const world = await open(run, "argocd", {
      namespaces: [ARGOCD_NAMESPACE],
      kinds: await argocdKinds(run.programs),
      prepare: async (plane, git) => {
        const { processes, programs, folder } = run;
        const [repositoryUrl, destination] = [git.urlOf(REPOSITORY), CANARY.namespace];
        const parts = { processes, programs, folder, plane, repositoryUrl, destination };
        applier = await startArgoCd({ ...parts, overlays: OVERLAYS });
      },
    });
    try {
      if (applier === undefined) throw new Error("Argo CD was not started");
      await stories(run, world, besideArgoCd(world, applier));
    } finally {
      await world.close();
    }
  },
};

async function open(
  run: Run,
  engine: "flux" | "argocd",
  given: Required<Pick<Parameters<typeof openWorld>[1], "kinds" | "namespaces" | "prepare">>,
): Promise<World> {
  return await openWorld(run, {
    ...given,
    files: await overlayFiles(),
    engine,
    rights: [...RIGHTS, `engine_${engine}`],
    namespaces: [...given.namespaces, "staging"],
    settings: "    paths: [overlays]\n",
    installed: { overlays: ["kustomize"], programFolders: foldersOf(run.programs, ["kustomize"]) },
  });
}

function besideFlux(world: World, flux: Flux): OverlayApplier {
  return {
    // Our source looks every second.
    nudge: () => Promise.resolve(),
    hasAppliedTip: () =>
      all(async (name) => {
        const tip = await world.git.tip(REPOSITORY) ?? "";
        return (stringAt(await flux.kustomization(name), "status", "lastAppliedRevision") ?? "").endsWith(tip);
      }),
    change: (what) =>
      flux.patch({
        images: what === "image" ? [{ name: IMAGE, newTag: "6.0.9" }] : null,
        patches: what === "patch" ? [PATCH] : null,
      }, "apps"),
    named: 'Kustomization "flux-system/apps" (spec.',
  };
}

function besideArgoCd(world: World, argocd: ArgoCd): OverlayApplier {
  return {
    async nudge() {
      for (const name of Object.keys(OVERLAYS)) await argocd.refresh(name);
    },
    hasAppliedTip: () =>
      all(async (name) => isSynced(await argocd.application(name), await world.git.tip(REPOSITORY) ?? "")),
    async change(what) {
      const kustomize = what === null
        ? null
        : what === "image"
        ? { images: [`${IMAGE}:6.0.9`], patches: null }
        : { images: null, patches: [PATCH] };
      await argocd.patch({ source: { kustomize } }, "apps");
      await argocd.refresh("apps");
    },
    named: 'Application "argocd/apps" (spec.source.kustomize.',
  };
}

async function all(met: (name: string) => Promise<boolean>): Promise<boolean> {
  for (const name of Object.keys(OVERLAYS)) if (!await met(name)) return false;
  return true;
}

/** The demo's repository as a base, under two overlays; the bot's file has no newline at its end. */
async function overlayFiles(): Promise<Readonly<Record<string, string>>> {
  const files = await fleetFiles();
  const canary = files[`${BASE}/canary.yaml`] ?? "";
  ok(canary.includes("spec:\n  provider"));
  return {
    ...files,
    [`${BASE}/canary.yaml`]: canary.replace("spec:\n", "spec:\n  render: kustomize\n"),
    [`${BASE}/kustomization.yaml`]: "resources: [canary.yaml, config.yaml, deployment.yaml]\n",
    [DEMO]: `# Bumped by a bot: one line of it.
resources:
- ../../${BASE}
images:
- {name: other, newTag: "6.0.0"}
- name: ${IMAGE}
  newTag:   '6.0.0'  # {"bot": "podinfo"}`,
    [STAGING]: `resources: [../../${BASE}]
namespace: staging
images:
  - name: ${IMAGE}
    newTag: 6.0.0
patches:
  - target: {kind: Canary, name: podinfo}
    patch: |-
      - {op: replace, path: /spec/provider, value: kubernetes}
      - {op: replace, path: /spec/service, value: {port: 80, targetPort: 9898}}
      - {op: replace, path: /spec/analysis, value: {interval: 6s, threshold: 3, iterations: 2}}
`,
  };
}

async function stories(run: Run, world: World, applier: OverlayApplier): Promise<void> {
  const { checks } = run;
  await checks.check("each overlay yields a canary with a lock of its own", async () => {
    await world.see("initialised", isInitialised);
    await staging(world, "initialised", isInitialised);
    await applied(applier);
    for (const namespace of ["demo", "staging"]) match(await lock(world, namespace), /podinfo:6\.0\.0/);
  });
  const load = world.load(LOAD_PER_SECOND);
  await checks.check("a bump of one overlay is promoted, and the other one is left alone", async () => {
    await bump(world, applier, { file: DEMO, from: "'6.0.0'", to: "'6.0.1'" });
    await world.see("promoted", promoted("6.0.1"), 150_000);
    await applied(applier);
    deepStrictEqual((await staging(world, "at rest", isInitialised)).lockImages, [`${IMAGE}:6.0.0`]);
    strictEqual(await subject(world), "Promote demo/podinfo to podinfo:6.0.1");
  });
  await checks.check(
    "a bad bump goes back in the overlay's file, to the byte, and the engine applies that",
    async () => {
      const before = await world.git.read(REPOSITORY, DEMO);
      const base = await world.git.tip(REPOSITORY) ?? "";
      await bump(world, applier, { file: DEMO, from: "'6.0.1'", to: "'6.0.2-bad'" });
      await world.see("failed", ({ phase, last }) => phase === "idle" && last?.outcome === "failed", 150_000);
      strictEqual(await subject(world), "Revert demo/podinfo to podinfo:6.0.1");
      strictEqual(await world.git.read(REPOSITORY, DEMO), before);
      const revert = (await world.clone.git("diff", "--numstat", "HEAD^", "HEAD", "--", "apps", "overlays")).trim();
      strictEqual(revert, `1\t1\t${DEMO}`);
      const both = await world.clone.git("diff", "--name-only", base, "HEAD");
      strictEqual(both.trim(), ".serin/e2e/demo/podinfo/status.yaml");
      await applied(applier);
      strictEqual(await imageOfTarget(world), `${IMAGE}:6.0.1`);
    },
  );
  await checks.check("the other overlay is bumped by itself, and promoted", async () => {
    await bump(world, applier, { file: STAGING, from: "newTag: 6.0.0", to: "newTag: 6.0.3" });
    await staging(world, "promoted", promoted("6.0.3"));
    strictEqual(await subject(world), "Promote staging/podinfo to podinfo:6.0.3");
    strictEqual((await world.see("at rest", ({ phase }) => phase === "idle")).lockImages[0], `${IMAGE}:6.0.1`);
  });
  await changes(run, world, applier);
  await load.stop();
  await checks.check("no request was lost, and only the bad version failed", () => {
    const all = served(load.log);
    deepStrictEqual(all.lost.slice(0, 5), [], toldOf(load.log));
    deepStrictEqual(load.log.filter(({ status, version }) => status >= 500 && version !== "6.0.2-bad"), []);
    return toldOf(load.log);
  });
  await checks.check("what was written passes git's strictest check, and the base was never written", async () => {
    await isSound(world.git.path(REPOSITORY));
    const touched = (await world.clone.git("log", "--format=", "--name-only", "--", "apps")).trim().split("\n");
    strictEqual(touched.length, 4, touched.join(", "));
  });
}

async function changes({ checks }: Run, world: World, applier: OverlayApplier): Promise<void> {
  await checks.check(
    "an engine's object that changes the image beyond the overlay keeps a rollout from starting",
    async () => {
      await applier.change("image");
      await bump(world, applier, { file: DEMO, from: "'6.0.1'", to: "'6.0.4'" });
      const view = await world.see("stalled", ({ stalled }) => stalled?.includes(applier.named) === true);
      match(view.stalled ?? "", /images\[0\]\) changes what it applies.*"render: live"/);
      deepStrictEqual([view.phase, view.weight], ["idle", 0]);
    },
  );
  await checks.check("one that only may change it is named once what runs is not what would be promoted", async () => {
    await applier.change("patch");
    const view = await world.see(
      "stalled",
      ({ waitsFor }) =>
        /What runs is not what would be promoted: .*team/.test(waitsFor ?? "") &&
        waitsFor?.includes(applier.named) === true,
    );
    match(view.waitsFor ?? "", /patches\[0\]\) changes what it applies: write "render: live"/);
    strictEqual(view.weight, 0);
    return view.waitsFor ?? "";
  });
  await checks.check("with that gone the same candidate is promoted", async () => {
    await applier.change(null);
    await world.see("promoted", promoted("6.0.4"), 150_000);
    strictEqual(await subject(world), "Promote demo/podinfo to podinfo:6.0.4");
  });
}

const isInitialised = ({ phase, last }: CanaryDetail): boolean => phase === "idle" && last?.outcome === "initialised";

const promoted = (version: string) => ({ phase, last, lockImages }: CanaryDetail): boolean =>
  phase === "idle" && last?.outcome === "succeeded" && lockImages[0] === `${IMAGE}:${version}`;

/** Waits for the canary of the second overlay. */
async function staging(world: World, what: string, met: (view: CanaryDetail) => boolean): Promise<CanaryDetail> {
  let last: CanaryDetail | undefined;
  await until(`staging/podinfo is ${what}`, async () => {
    last = await world.agent.canary("staging", "podinfo").catch(() => undefined);
    return last !== undefined && met(last) || (await machineClock.sleep(100), false);
  }, 120_000).catch((error) => {
    throw new Error(`${error}; it waits for ${last?.waitsFor}, stalled: ${last?.stalled}`);
  });
  if (last === undefined) throw new Error("the agent does not know staging/podinfo");
  return last;
}

async function applied(applier: OverlayApplier): Promise<void> {
  await applier.nudge();
  await until("the engine has applied the tip", async () => {
    return await applier.hasAppliedTip() || (await machineClock.sleep(250), false);
  }, 60_000);
}

async function bump(
  world: World,
  applier: OverlayApplier,
  { file, from, to }: { readonly file: string; readonly from: string; readonly to: string },
): Promise<void> {
  ok((await world.git.read(REPOSITORY, file))?.includes(from), `${file} has no ${from}`);
  await world.clone.bump(file, { from, to, message: `Bump podinfo to ${to}` });
  await applier.nudge();
}

async function lock(world: World, namespace: string): Promise<string> {
  return await world.git.read(REPOSITORY, `.serin/e2e/${namespace}/podinfo/primary.yaml`) ?? "";
}

async function subject(world: World): Promise<string> {
  await world.clone.pull();
  return (await world.clone.git("log", "-1", "--format=%s")).trim();
}

async function imageOfTarget(world: World): Promise<string | undefined> {
  const target = await world.plane.cluster.live({ apiVersion: "apps/v1", kind: "Deployment", ...CANARY });
  return stringAt(listAt(target, "spec", "template", "spec", "containers")[0], "image");
}
