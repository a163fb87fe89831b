/** Files of a repository with one canary each of "prod/<name>", as their users would write them. */

/** A Canary on the kubernetes router. */
export function canaryFile(name = "shop"): string {
  return `apiVersion: flagger.app/v1beta1
kind: Canary
metadata:
  name: ${name}
  namespace: prod
spec:
  provider: kubernetes
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: ${name}}
  service: {port: 80, targetPort: 8080}
  analysis:
    interval: 1m
    threshold: 3
    iterations: 3
`;
}

/** Its Deployment at a tag of "registry.example.com/<name>". */
export function deploymentFile(tag: string, name = "shop"): string {
  return `apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${name}
  namespace: prod
spec:
  selector:
    matchLabels: {app: ${name}}
  template:
    metadata:
      labels: {app: ${name}}
    spec:
      containers:
        - name: app
          image: "registry.example.com/${name}:${tag}" # bump here
          ports: [{name: http, containerPort: 8080}]
`;
}

/** Both files of each name, at one tag. */
export function shopFiles(tag: string, names: readonly string[] = ["shop"]): Readonly<Record<string, string>> {
  const files = names.flatMap((name) => [
    [`apps/${name}/canary.yaml`, canaryFile(name)],
    [`apps/${name}/deployment.yaml`, deploymentFile(tag, name)],
  ]);
  return Object.fromEntries(files);
}
