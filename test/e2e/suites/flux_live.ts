/**
 * `render: live` beside the real kustomize-controller, which fills a Secret's value into the target (`postBuild`): what it
 * applied is analysed, promoted and kept; a bad image goes back in the manifest; and the value is in no Git object.
 */
import { deepStrictEqual, doesNotMatch, match, ok, strictEqual } from "node:assert/strict";
import { at, type KubeObject, stringAt } from "../../../src/core/kube_object.ts";
import { CANARY, MANIFEST, REPOSITORY } from "../../../src/demo/stage.ts";
import { runGit } from "../../../src/demo/clone.ts";
import { callApi } from "../../wire/api_case.ts";
import { until } from "../../support/until.ts";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { fleetFiles } from "../fleet.ts";
import { type Flux, FLUX_NAMESPACE, fluxKinds, startFlux } from "../servers/flux.ts";
import { served, toldOf } from "../shares.ts";
import type { Run, Suite } from "../suite.ts";
import { openWorld, RIGHTS, type World } from "../world.ts";
import { type Applier, bump, initialised, promoted } from "./engine_stories.ts";

const LOAD_PER_SECOND = 40;
const TOKEN = "s3cr3t-of-substitute-from";
const VALUES = "podinfo-values";
const TARGET = { apiVersion: "apps/v1", kind: "Deployment", namespace: CANARY.namespace, name: CANARY.name };
const PRIMARY = { ...TARGET, name: `${CANARY.name}-primary` };

export const fluxLive: Suite = {
  name: "flux-live",
  about: "render: live: the real kustomize-controller fills a Secret's value into the target",
  servers: ["etcd", "kubernetes", "contour", "envoy", "prometheus", "kustomize-controller"],
  tier: "all",
  async run(run) {
    const { processes, programs } = run;
    let applier: Flux | undefined;
    const world = await openWorld(run, {
      files: await liveFiles(),
      engine: "flux",
      rights: [...RIGHTS, "engine_flux", "secrets_copy"],
      namespaces: [FLUX_NAMESPACE],
      kinds: await fluxKinds(programs),
      prepare: async (plane, git) => {
        const metadata = { name: VALUES, namespace: FLUX_NAMESPACE };
        await plane.cluster.apply({ apiVersion: "v1", kind: "Secret", metadata, data: { TOKEN: btoa(TOKEN) } });
        applier = await startFlux({ processes, programs, plane, git, repository: REPOSITORY });
        await applier.patch({ postBuild: { substituteFrom: [{ kind: "Secret", name: VALUES }] } });
        await until("Flux has filled the value in", async () => {
          return tokenOf(await plane.cluster.live(TARGET)) === TOKEN || (await machineClock.sleep(250), false);
        }, 60_000);
      },
    });
    try {
      if (applier === undefined) throw new Error("Flux was not started");
      await stories(run, world, applier);
      await run.keeper.keep();
    } finally {
      await applier?.stop();
      await world.close();
    }
  },
};

async function liveFiles(): Promise<Readonly<Record<string, string>>> {
  const files = await fleetFiles();
  const canary = files["apps/podinfo/canary.yaml"] ?? "";
  const deployment = files[MANIFEST] ?? "";
  ok(canary.includes("spec:\n  provider") && deployment.includes("          env:\n"));
  const variable = '          env:\n            - name: TOKEN\n              value: "${TOKEN}"\n';
  return {
    ...files,
    "apps/podinfo/canary.yaml": canary.replace("spec:\n", "spec:\n  render: live\n"),
    [MANIFEST]: deployment.replace("          env:\n", variable),
  };
}

function tokenOf(workload: KubeObject | undefined): string | undefined {
  return stringAt(workload, "spec", "template", "spec", "containers", 0, "env", 0, "value");
}

function imageOf(workload: KubeObject | undefined): string | undefined {
  return stringAt(at(workload, "spec", "template", "spec", "containers", 0), "image");
}

async function stories({ checks }: Run, world: World, flux: Flux): Promise<void> {
  const { cluster } = world.plane;
  // Our source looks every second.
  const applier: Pick<Applier, "nudge"> = { nudge: () => Promise.resolve() };
  const bumped = (from: string, to: string) => bump(world, applier, from, to);
  const applied = () =>
    until("Flux has applied the tip", async () => {
      const revision = stringAt(await flux.kustomization(), "status", "lastAppliedRevision") ?? "";
      return revision.endsWith(await world.git.tip(REPOSITORY) ?? "") || (await machineClock.sleep(250), false);
    }, 60_000);

  await checks.check("what Flux filled in is the first lock: outlines in Git, the content in a Secret", async () => {
    await initialised(world);
    await applied();
    strictEqual(tokenOf(await cluster.live(PRIMARY)), TOKEN);
    strictEqual((await captures(world)).length, 1);
    match(await lock(world), /rendering:/);
    doesNotMatch(await lock(world), /TOKEN|selector/);
  });
  const load = world.load(LOAD_PER_SECOND);
  await checks.check("a restart by hand, and a commit that is about something else, start nothing", async () => {
    const annotations = { "kubectl.kubernetes.io/restartedAt": new Date(machineClock.now()).toISOString() };
    await callApi(world.plane.admin, {
      method: "PATCH",
      path: `/apis/apps/v1/namespaces/${TARGET.namespace}/deployments/${TARGET.name}?fieldManager=kubectl-rollout`,
      contentType: "application/strategic-merge-patch+json",
      body: { spec: { template: { metadata: { annotations } } } },
    });
    await world.git.commit(REPOSITORY, { "NOTES.md": "hello\n" }, { message: "Note" });
    await applied();
    await machineClock.sleep(3_000);
    const view = await world.see("at rest", ({ phase, stalled }) => phase === "idle" && stalled === null);
    strictEqual(view.last?.outcome, "initialised");
  });
  await checks.check("a good bump is promoted from what was kept, beside a commit about something else", async () => {
    await bumped("6.0.0", "6.0.1");
    await world.see("at 30 %", ({ weight }) => weight === 30);
    await world.git.commit(REPOSITORY, { "NOTES.md": "hello again\n" }, { message: "Note" });
    await promoted(world, "6.0.1");
    await applied();
    const primary = await cluster.live(PRIMARY);
    deepStrictEqual([imageOf(primary), tokenOf(primary)], ["registry.example/podinfo:6.0.1", TOKEN]);
  });
  await checks.check("a newer bump behind the fence is seen in Git, and takes the rollout's place", async () => {
    await bumped("6.0.1", "6.0.2");
    await world.see("at 30 %", ({ weight }) => weight === 30);
    await bumped("6.0.2", "6.0.4");
    await promoted(world, "6.0.4");
    const outcomes = await world.clone.git("log", "--format=%s", "--", ".serin");
    doesNotMatch(outcomes, /6\.0\.2/);
  });
  await checks.check("a bad bump goes back in the manifest, to the byte, and Flux applies that", async () => {
    const before = await world.git.read(REPOSITORY, MANIFEST);
    await bumped("6.0.4", "6.0.5-bad");
    await world.see("failed", ({ phase, last }) => phase === "idle" && last?.outcome === "failed", 150_000);
    strictEqual(await world.git.read(REPOSITORY, MANIFEST), before);
    await applied();
    await until("the target has it", async () => {
      return imageOf(await cluster.live(TARGET)) === "registry.example/podinfo:6.0.4" ||
        (await machineClock.sleep(250), false);
    }, 60_000);
  });
  await load.stop();
  await checks.check("no request was lost, and only the bad version failed", () => {
    deepStrictEqual(served(load.log).lost.slice(0, 5), [], toldOf(load.log));
    deepStrictEqual(load.log.filter(({ status, version }) => status >= 500 && version !== "6.0.5-bad"), []);
    return toldOf(load.log);
  });
  const again = world.load(LOAD_PER_SECOND);
  await checks.check("a capture that is lost is made from what Flux renders, with the lock's image", async () => {
    await world.agent.running.kill();
    for (const { metadata } of await captures(world)) {
      await cluster.remove({ apiVersion: "v1", kind: "Secret", namespace: CANARY.namespace, name: metadata.name });
    }
    await bumped("6.0.4", "6.0.6");
    await cluster.remove(PRIMARY);
    await world.startAgent();
    await promoted(world, "6.0.6");
    strictEqual(tokenOf(await cluster.live(PRIMARY)), TOKEN);
  });
  await again.stop();
  await checks.check("the value is in no object of the repository", async () => {
    const path = world.git.path(REPOSITORY);
    const git = (...args: readonly string[]) => runGit(path, ["-c", "safe.directory=*", ...args]);
    const listed = (await git("cat-file", "--batch-check", "--batch-all-objects")).trim().split("\n");
    for (const line of listed) {
      const [oid = "", type = ""] = line.split(" ");
      if (type === "tree") continue;
      doesNotMatch(await git("cat-file", type, oid), new RegExp(`${TOKEN}|${btoa(TOKEN)}`));
    }
    return `${listed.length} objects`;
  });
}

async function captures({ plane }: World): Promise<readonly KubeObject[]> {
  const secrets = await plane.cluster.list({ apiVersion: "v1", kind: "Secret", namespace: CANARY.namespace });
  return secrets.filter(({ metadata }) => metadata.name.startsWith(`serin-${CANARY.name}-`));
}

async function lock(world: World): Promise<string> {
  return await world.git.read(REPOSITORY, `.serin/e2e/${CANARY.namespace}/${CANARY.name}/primary.yaml`) ?? "";
}
