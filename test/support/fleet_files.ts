/** Repositories of a given size: shops with a Deployment, a ConfigMap and a Service each, some under a Canary. */

export interface ShopOptions {
  /** Manifests in all, one a file. */
  readonly manifests: number;
  /** How many of the shops are under a canary. */
  readonly canaries: number;
  /** Lines of the Canary's analysis, instead of quick ones. */
  readonly analysis?: string;
}

export function shopName(index: number): string {
  return `shop-${String(index).padStart(5, "0")}`;
}

export function deploymentPath(index: number): string {
  return `apps/${shopName(index).slice(0, 8)}/${shopName(index)}/deployment.yaml`;
}

/** The files of a repository; manifests of the first shops come first, so that small ones are parts of large ones. */
export function shopFiles(options: ShopOptions): Readonly<Record<string, string>> {
  const files: Record<string, string> = {};
  let left = options.manifests;
  for (let index = 0; left > 0; index += 1) {
    const name = shopName(index);
    const folder = deploymentPath(index).replace(/\/[^/]*$/, "");
    const all = [
      ["deployment.yaml", deployment(name)],
      ...(index < options.canaries ? [["canary.yaml", canary(name, options.analysis ?? QUICK)] as const] : []),
      ["config.yaml", configMap(name)],
      ["service-account.yaml", serviceAccount(name)],
    ] as const;
    for (const [file, text] of all.slice(0, left)) files[`${folder}/${file}`] = text;
    left -= all.length;
  }
  return files;
}

const QUICK = `    interval: 1s
    threshold: 5
    stepWeights: [10, 20, 30, 40, 50]
    metrics: []`;

export function deployment(name: string, tag = "6.0.0"): string {
  return `apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${name}
  namespace: demo
  labels: { app: ${name} }
spec:
  selector:
    matchLabels: { app: ${name} }
  template:
    metadata:
      labels: { app: ${name} }
    spec:
      containers:
        - name: ${name}
          image: registry.example/podinfo:${tag} # a bot bumps this line
          ports:
            - { name: http, containerPort: 9898 }
          env:
            - name: GREETING
              valueFrom: { configMapKeyRef: { name: ${name}, key: greeting } }
          resources:
            requests: { cpu: 100m, memory: 64Mi }
            limits: { memory: 128Mi }
`;
}

function configMap(name: string): string {
  return `apiVersion: v1
kind: ConfigMap
metadata:
  name: ${name}
  namespace: demo
data:
  greeting: hello from ${name}
`;
}

function serviceAccount(name: string): string {
  return `apiVersion: v1
kind: ServiceAccount
metadata:
  name: ${name}
  namespace: demo
`;
}

function canary(name: string, analysis: string): string {
  return `apiVersion: serin.dev/v1
kind: Canary
metadata:
  name: ${name}
  namespace: demo
spec:
  provider: gatewayapi:v1
  targetRef: { apiVersion: apps/v1, kind: Deployment, name: ${name} }
  progressDeadlineSeconds: 60
  service:
    port: 80
    targetPort: 9898
    hosts: [${name}.example.com]
    gatewayRefs:
      - { name: public, namespace: demo }
  promotion: { settle: 1s }
  analysis:
${analysis}
`;
}
