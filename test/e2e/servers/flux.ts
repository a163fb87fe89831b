/**
 * Flux: the real kustomize-controller, and in place of source-controller what its consumer needs of it: a tarball of the
 * tip over HTTP, and a GitRepository whose status says where that is. It looks every second, and when it is asked to.
 */
import { createHash } from "node:crypto";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { at, type JsonObject, type KubeObject, objectAt, stringAt } from "../../../src/core/kube_object.ts";
import type { GitServer } from "../../../src/sandbox/git/git_server.ts";
import { callApi } from "../../wire/api_case.ts";
import { objectsIn } from "../../support/rbac.ts";
import { answersOk, type Processes, type Running, untilUp } from "../processes.ts";
import type { ControlPlane } from "./control_plane.ts";

export const FLUX_NAMESPACE = "flux-system";
export const SOURCE = "fleet";
export const KUSTOMIZATION = "apps";

const pathOf = (kustomization: string): string =>
  `/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/${FLUX_NAMESPACE}/kustomizations/${kustomization}`;
const SOURCE_PATH = `/apis/source.toolkit.fluxcd.io/v1/namespaces/${FLUX_NAMESPACE}/gitrepositories/${SOURCE}`;
const HEALTH = "127.0.0.1:9440";
const LOOK_EVERY_MS = 1_000;

export interface Flux {
  /** Kills the controller and starts it again. */
  restart(): Promise<void>;
  /** A Kustomization as it is now; the one of the whole repository unless named. */
  kustomization(name?: string): Promise<JsonObject>;
  /** Changes its spec. */
  patch(spec: JsonObject, name?: string): Promise<void>;
  /** Ends the artifact server; the controller belongs to the run. */
  stop(): Promise<void>;
}

/** The kinds that kustomize-controller must find. Sources keep whatever is written to them. */
export async function fluxKinds(programs: ReadonlyMap<string, string>): Promise<readonly KubeObject[]> {
  const own = await Deno.readTextFile(programs.get("kustomization-crds.yaml") ?? "");
  const sources = [["GitRepository", "gitrepositories"], ["OCIRepository", "ocirepositories"], ["Bucket", "buckets"], [
    "ExternalArtifact",
    "externalartifacts",
  ]] as const;
  return [...objectsIn(own), ...sources.map(([kind, plural]) => openKind(kind, plural))];
}

function openKind(kind: string, plural: string): KubeObject {
  const group = "source.toolkit.fluxcd.io";
  const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
  const version = { name: "v1", served: true, storage: true, schema, subresources: { status: {} } };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` },
      versions: [version],
    },
  };
}

export interface FluxOptions {
  readonly processes: Processes;
  readonly programs: ReadonlyMap<string, string>;
  readonly plane: ControlPlane;
  readonly git: GitServer;
  readonly repository: string;
  /** Folders that are applied, by the name of their Kustomization; the whole repository when left out. */
  readonly paths?: Readonly<Record<string, string>>;
}

export async function startFlux(options: FluxOptions): Promise<Flux> {
  const { processes, programs, plane } = options;
  const url = options.git.urlOf(options.repository);
  for (const object of objects(url, options.paths ?? { [KUSTOMIZATION]: "./" })) await plane.cluster.apply(object);
  const start = async (): Promise<Running> => {
    const controller = processes.start({
      name: "kustomize-controller",
      path: programs.get("kustomize-controller") ?? "kustomize-controller",
      args: ["--watch-all-namespaces", "--metrics-addr=127.0.0.1:9441", `--health-addr=${HEALTH}`, "--events-addr="],
      env: { RUNTIME_NAMESPACE: FLUX_NAMESPACE, KUBECONFIG: plane.kubeconfig },
    });
    await untilUp(controller, () => answersOk(`http://${HEALTH}/healthz`));
    return controller;
  };
  let controller = await start();
  const source = serveSource(options);
  const kustomization = async (name = KUSTOMIZATION): Promise<JsonObject> => {
    return objectAt(await callApi(plane.admin, { method: "GET", path: pathOf(name) }), "body");
  };
  return {
    async restart() {
      await controller.kill();
      controller = await start();
    },
    kustomization,
    async patch(spec, name = KUSTOMIZATION) {
      const contentType = "application/merge-patch+json";
      const answer = await callApi(plane.admin, {
        method: "PATCH",
        path: pathOf(name),
        contentType,
        body: { spec },
      });
      if (answer.status !== 200) throw new Error(`Cannot change the Kustomization: ${JSON.stringify(answer.body)}`);
    },
    stop: source.stop,
  };
}

/** Of the whole repository, `.serin/` is synced too. */
function objects(url: string, paths: Readonly<Record<string, string>>): readonly KubeObject[] {
  return [
    {
      apiVersion: "source.toolkit.fluxcd.io/v1",
      kind: "GitRepository",
      metadata: { name: SOURCE, namespace: FLUX_NAMESPACE },
      spec: { interval: "10s", url, ref: { branch: "main" } },
    },
    ...Object.entries(paths).map(([name, path]) => ({
      apiVersion: "kustomize.toolkit.fluxcd.io/v1",
      kind: "Kustomization",
      metadata: { name, namespace: FLUX_NAMESPACE },
      spec: {
        interval: "10s",
        retryInterval: "5s",
        path,
        prune: true,
        wait: true,
        timeout: "1m",
        sourceRef: { kind: "GitRepository", name: SOURCE },
      },
    })),
  ];
}

/** The part of source-controller. */
function serveSource(options: FluxOptions): { stop(): Promise<void> } {
  const { plane, git, repository } = options;
  const tarballs = new Map<string, Uint8Array<ArrayBuffer>>();
  const end = new AbortController();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const tarball = tarballs.get(new URL(request.url).pathname);
    return tarball === undefined ? new Response(null, { status: 404 }) : new Response(tarball);
  });

  async function look(served: { commit: string; token: string }): Promise<typeof served> {
    const { body: live } = await callApi(plane.admin, { method: "GET", path: SOURCE_PATH });
    const commit = await git.tip(repository) ?? "";
    const token = stringAt(live, "metadata", "annotations", "reconcile.fluxcd.io/requestedAt") ?? "";
    if (commit === served.commit && token === served.token) return served;
    const path = `/${commit}.tar.gz`;
    const tarball = tarballs.get(path) ?? await archive(git.path(repository), commit);
    tarballs.set(path, tarball);
    const now = new Date(machineClock.now()).toISOString();
    const artifact = {
      url: `http://127.0.0.1:${server.addr.port}${path}`,
      revision: `main@sha1:${commit}`,
      digest: `sha256:${createHash("sha256").update(tarball).digest("hex")}`,
      path: path.slice(1),
      size: tarball.length,
      lastUpdateTime: now,
    };
    const ready = { type: "Ready", status: "True", reason: "Succeeded", message: "stored", lastTransitionTime: now };
    const status = {
      observedGeneration: at(live, "metadata", "generation") ?? 1,
      conditions: [ready],
      artifact,
      lastHandledReconcileAt: token,
    };
    const contentType = "application/merge-patch+json";
    await callApi(plane.admin, { method: "PATCH", path: `${SOURCE_PATH}/status`, contentType, body: { status } });
    return { commit, token };
  }

  const looking = (async () => {
    let served = { commit: "", token: "" };
    while (!end.signal.aborted) {
      // An API server that is away for a moment is asked again.
      served = await look(served).catch(() => served);
      await machineClock.sleep(LOOK_EVERY_MS, end.signal).catch(() => {});
    }
  })();
  return {
    async stop() {
      end.abort();
      await looking;
      await server.shutdown();
    },
  };
}

async function archive(repository: string, commit: string): Promise<Uint8Array<ArrayBuffer>> {
  const command = new Deno.Command("git", {
    args: ["-c", "safe.directory=*", "archive", "--format=tar.gz", commit],
    cwd: repository,
  });
  const { success, stdout, stderr } = await command.output();
  if (!success) throw new Error(`Cannot archive ${commit}: ${new TextDecoder().decode(stderr)}`);
  return stdout;
}
