/**
 * One contract, two servers: every request of fixtures/kubernetes-api, which the embedded API server must answer as
 * recorded, is sent to the real one, and every story that takes more than one request is told to it; what routers,
 * workloads, Services and scalers render is applied to it, strictly, with the real CRDs, and so is everything that
 * deploy/ installs; and the CRDs of deploy/ are shown specs, good and bad.
 */
import { strictEqual } from "node:assert/strict";
import type { KubeObject } from "../../../src/core/kube_object.ts";
import { stringAt } from "../../../src/core/kube_object.ts";
import { apiCases, callApi, callOf, checkAnswer } from "../../wire/api_case.ts";
import { goldenCases, goldenFolders } from "../../support/golden.ts";
import { objectsIn } from "../../support/rbac.ts";
import { type ControlPlane, startControlPlane } from "../servers/control_plane.ts";
import type { Run, Suite } from "../suite.ts";
import { installKinds, ownKinds } from "../world.ts";
import { defaults } from "./contract_defaults.ts";
import { specs } from "./contract_specs.ts";
import { stories } from "./contract_stories.ts";

const DEPLOY = new URL("../../../deploy/", import.meta.url);
const ROUTER_KINDS = ["httproutes.yaml", "gateways.yaml", "gatewayclasses.yaml"];
const ISTIO_KINDS = ["virtualservices.networking.istio.io", "destinationrules.networking.istio.io"];

export const contract: Suite = {
  name: "contract",
  about: "the real API server answers as the embedded one, and takes all that is rendered and installed",
  servers: ["etcd", "kubernetes", "router-crds"],
  async run(run) {
    const { processes, programs, folder } = run;
    const plane = await startControlPlane({ processes, programs, folder, controllers: false });
    try {
      const file = (name: string): Promise<string> => Deno.readTextFile(programs.get(name) ?? name);
      const gateway = (await Promise.all(ROUTER_KINDS.map(file))).flatMap(objectsIn);
      await installKinds(plane, gateway);
      await answers(run, plane);
      const istio = objectsIn(await file("istio-crds.yaml")).filter(({ metadata }) =>
        ISTIO_KINDS.includes(metadata.name)
      );
      await installKinds(plane, istio);
      await rendered(run, plane);
      await defaults(run, plane);
      await installed(run, plane);
      await specs(run, plane);
      await stories(run, plane, false);
      await plane.startControllers();
      await stories(run, plane, true);
    } finally {
      await plane.close();
    }
  },
};

async function answers({ checks }: Run, plane: ControlPlane): Promise<void> {
  for (const one of apiCases()) {
    await checks.check(`answer: ${stringAt(one, "name")}`, async () => {
      checkAnswer(one, await callApi(plane.admin, callOf(one)));
    });
  }
}

/** Every golden case, as the agent would apply it: server-side, Strict; but dry-run. */
async function rendered({ checks }: Run, plane: ControlPlane): Promise<void> {
  const folders = ["routers", "workloads", "scalers"].flatMap((port) =>
    goldenFolders(port).map((adapter) => `${port}/${adapter}`)
  );
  const namespaces = new Set<string>();
  for (const folder of folders) {
    for (const golden of goldenCases(folder)) {
      await checks.check(`rendered: ${golden.name}`, async () => {
        for (const object of golden.objects("want.yaml")) {
          await namespaceOf(plane, object, namespaces);
          await plane.cluster.apply(object, { dryRun: true });
        }
      });
    }
  }
}

async function installed({ checks }: Run, plane: ControlPlane): Promise<void> {
  await checks.check("deploy/crds: every CRD is served, its CEL rules compile", async () => {
    const kinds = await ownKinds();
    await installKinds(plane, kinds);
    return `${kinds.length} CRDs`;
  });
  await checks.check("deploy/install.yaml is taken, Strict, and twice changes nothing", async () => {
    const objects = objectsIn(await Deno.readTextFile(new URL("install.yaml", DEPLOY)));
    const namespaces = new Set<string>();
    for (const object of objects) {
      await namespaceOf(plane, object, namespaces);
      const first = await plane.cluster.apply(object);
      const second = await plane.cluster.apply(object);
      strictEqual(second.metadata.resourceVersion, first.metadata.resourceVersion, object.metadata.name);
    }
    return `${objects.length} objects`;
  });
  for await (const { name } of Deno.readDir(new URL("rbac/", DEPLOY))) {
    await checks.check(`deploy/rbac/${name} is taken, Strict`, async () => {
      const namespaces = new Set<string>();
      for (const object of objectsIn(await Deno.readTextFile(new URL(`rbac/${name}`, DEPLOY)))) {
        await namespaceOf(plane, object, namespaces);
        await plane.cluster.apply(object);
      }
    });
  }
}

async function namespaceOf(plane: ControlPlane, object: KubeObject, made: Set<string>): Promise<void> {
  const { namespace } = object.metadata;
  if (namespace === undefined || made.has(namespace)) return;
  made.add(namespace);
  await plane.cluster.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
}
