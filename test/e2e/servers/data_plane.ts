/** A real data plane: Contour, which reads Gateway API and HTTPProxy, and the Envoy that it programmes. */
import { parseAllDocuments } from "yaml";
import type { KubeObject } from "../../../src/core/kube_object.ts";
import { objectsIn } from "../../support/rbac.ts";
import { answersOk, type Processes, type Running, untilUp } from "../processes.ts";
import { FIRST_SITE, type Site } from "../site.ts";
import type { ControlPlane } from "./control_plane.ts";

export interface DataPlane {
  /** Where users' requests enter, for the Gateway's listener on port 80. */
  readonly gatewayUrl: string;
  /** "ADDRESS:PORT", Envoy's own series at /stats/prometheus. */
  readonly metricsHost: string;
  /** The Envoy that runs, or ran last. */
  readonly envoy: Running;
  /** Another one after it was killed; resolves when it has its configuration. */
  restartEnvoy(): Promise<void>;
}

export interface DataPlaneOptions {
  readonly processes: Processes;
  readonly programs: ReadonlyMap<string, string>;
  readonly folder: string;
  readonly plane: ControlPlane;
  readonly gateway: { readonly namespace: string; readonly name: string };
  /** The first one unless told otherwise. */
  readonly site?: Site;
}

const XDS_PORT = 8001;
const CONTOUR_HEALTH_PORT = 8011;
const NODE = ["--service-cluster", "contour", "--service-node", "n1"];
/** Contour adds 8000 to a Gateway listener's port. */
const ENVOY_PORT = 8080;

/** Objects that somebody else than the agent makes: the mesh's kinds, its class, and the Gateway. */
export async function dataPlaneObjects(
  options: Pick<DataPlaneOptions, "programs" | "gateway">,
): Promise<{ readonly kinds: readonly KubeObject[]; readonly objects: readonly KubeObject[] }> {
  const files = ["contour-crds.yaml", "gateway-crds.yaml"].map((name) => options.programs.get(name) ?? name);
  const texts = await Promise.all(files.map((path) => Deno.readTextFile(path)));
  const kinds = texts.flatMap((text) => objectsIn(withoutEmpty(text)));
  const objects: readonly KubeObject[] = [
    {
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "GatewayClass",
      metadata: { name: "contour" },
      spec: { controllerName: "projectcontour.io/gateway-controller" },
    },
    {
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "Gateway",
      metadata: { ...options.gateway },
      spec: { gatewayClassName: "contour", listeners: [{ name: "http", port: 80, protocol: "HTTP" }] },
    },
  ];
  return { kinds: kinds.filter(({ kind }) => kind === "CustomResourceDefinition"), objects };
}

/** Documents that hold only comments are no objects. */
function withoutEmpty(text: string): string {
  return parseAllDocuments(text).filter((document) => document.toJS() !== null).map(String).join("---\n");
}

export async function startDataPlane(options: DataPlaneOptions): Promise<DataPlane> {
  const { processes, programs, folder, plane, gateway } = options;
  const address = (options.site ?? FIRST_SITE).loopback;
  const contour = programs.get("contour") ?? "contour";
  const config = `${folder}/contour.yaml`;
  await Deno.writeTextFile(config, JSON.stringify({ gateway: { gatewayRef: gateway } }));
  const serving = processes.start({
    name: "contour",
    path: contour,
    args: [
      "serve",
      `--kubeconfig=${plane.kubeconfig}`,
      "--no-incluster",
      "--insecure",
      "--disable-leader-election",
      `--xds-address=${address}`,
      `--xds-port=${XDS_PORT}`,
      `--envoy-service-http-address=${address}`,
      "--envoy-service-http-port=8080",
      `--stats-address=${address}`,
      `--debug-http-address=${address}`,
      `--http-address=${address}`,
      `--http-port=8010`,
      `--health-address=${address}`,
      `--health-port=${CONTOUR_HEALTH_PORT}`,
      `--config-path=${config}`,
    ],
  });
  await untilUp(serving, () => answersOk(`http://${address}:${CONTOUR_HEALTH_PORT}/healthz`));
  const bootstrap = `${folder}/envoy.json`;
  const making = processes.start({
    name: "contour-bootstrap",
    path: contour,
    args: [
      "bootstrap",
      bootstrap,
      `--xds-address=${address}`,
      `--xds-port=${XDS_PORT}`,
      `--admin-address=${folder}/envoy-admin.sock`,
    ],
  });
  if (await making.ended !== 0) throw new Error(`Cannot make Envoy's bootstrap: see ${making.logFile}`);
  const startEnvoy = async (): Promise<Running> => {
    const running = processes.start({
      name: "envoy",
      path: programs.get("envoy") ?? "envoy",
      // Two of them on one machine would take each other for the same one, restarted.
      args: ["-c", bootstrap, ...NODE, "--concurrency", "1", "--disable-hot-restart"],
    });
    // Envoy's listener for series is Contour's doing: where it answers, xDS works.
    await untilUp(running, () => answersOk(`http://${address}:8002/stats/prometheus`));
    return running;
  };
  let envoy = await startEnvoy();
  return {
    gatewayUrl: `http://${address}:${ENVOY_PORT}`,
    metricsHost: `${address}:8002`,
    get envoy() {
      return envoy;
    },
    async restartEnvoy() {
      envoy = await startEnvoy();
    },
  };
}
