/** A repository of one base and two overlays, and the kustomize binary where this machine has one. */
import { cacheFolder } from "../servers/install.ts";
import { isFile, onPath } from "../servers/commands.ts";

/** What a test says when it is left out. */
export const NO_KUSTOMIZE = '"kustomize" is not on the PATH, nor built by: deno task servers kustomize';

/** Path of a kustomize: on the PATH, or among the servers that were built; undefined: there is none. Builds nothing. */
export async function findKustomize(): Promise<string | undefined> {
  const installed = await onPath("kustomize");
  if (installed !== undefined) return installed;
  const folder = cacheFolder();
  const built: string[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) {
      const path = `${folder}/${name}/kustomize`;
      if (/^kustomize-[0-9a-f]+$/.test(name) && await isFile(path)) built.push(path);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return built.sort()[0];
}

const CANARY = `apiVersion: serin.dev/v1
kind: Canary
metadata:
  name: shop
spec:
  render: kustomize
  provider: kubernetes
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}
  service: {port: 80, targetPort: 8080}
  analysis: {interval: 1m, threshold: 3, iterations: 3}
`;

const DEPLOYMENT = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop
spec:
  selector:
    matchLabels: {app: shop}
  template:
    metadata:
      labels: {app: shop}
    spec:
      containers:
        - name: app
          image: registry.example.com/shop:0.9.0 # of the base
          ports: [{name: http, containerPort: 8080}]
          envFrom:
            - configMapRef: {name: shop-config}
            - secretRef: {name: shop-secret}
`;

/** Value of the Secret that each overlay generates. */
export const SECRET_VALUE = "correct-horse-battery";

/** The kustomization of an overlay; without a tag it takes the base's. */
export function overlayFile(namespace: string, tag: string | null): string {
  const images = tag === null ? "" : `images:
  - name: registry.example.com/shop
    newTag: ${tag} # bump here
`;
  return `# by hand
resources:
  - ../../base
namespace: ${namespace}
${images}configMapGenerator:
  - name: shop-config
    files: [colour.txt]
secretGenerator:
  - name: shop-secret
    literals: [password=${SECRET_VALUE}]
`;
}

/** "apps/base" with the Canary, and "apps/overlays/<namespace>" for each tag. */
export function overlayFiles(tags: Readonly<Record<string, string | null>>): Readonly<Record<string, string>> {
  const overlays = Object.entries(tags).flatMap(([namespace, tag]) => [
    [`apps/overlays/${namespace}/kustomization.yaml`, overlayFile(namespace, tag)],
    [`apps/overlays/${namespace}/colour.txt`, "blue\n"],
  ]);
  return {
    "apps/base/kustomization.yaml": "resources: [canary.yaml, deployment.yaml]\n",
    "apps/base/canary.yaml": CANARY,
    "apps/base/deployment.yaml": DEPLOYMENT,
    ...Object.fromEntries(overlays),
  };
}
