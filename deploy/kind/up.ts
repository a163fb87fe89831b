/**
 * Serin on a cluster of your own machine, with kind: makes the cluster, builds and loads the image, installs the agent.
 * It needs docker, kind and kubectl on the PATH. It cannot be run where this repository is checked, and is not.
 *
 *     deno run --allow-run=docker,kind,kubectl --allow-read --ignore-env deploy/kind/up.ts --config=<my-config.yaml>
 *
 * The file is your copy of deploy/base/config.example.yaml; the Secret serin-git is yours to make first or afterwards.
 */

const ROOT = new URL("../../", import.meta.url);
const IMAGE = "local/serin:0.1.0";
const CLUSTER = "serin";
const ROLES = ["router_gatewayapi", "engine_flux", "engine_argocd"];

async function run(program: string, args: readonly string[], input?: string): Promise<string> {
  const child = new Deno.Command(program, {
    args: [...args],
    cwd: ROOT,
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  if (input !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  }
  const { success, stdout } = await child.output();
  if (!success) throw new Error(`Cannot go on: ${program} ${args.join(" ")} failed`);
  return new TextDecoder().decode(stdout);
}

async function main(): Promise<void> {
  const config = Deno.args.find((arg) => arg.startsWith("--config="))?.slice("--config=".length);
  if (config === undefined) throw new Error("Give --config=<file>: your copy of deploy/base/config.example.yaml");
  const clusters = (await run("kind", ["get", "clusters"])).split("\n");
  if (!clusters.includes(CLUSTER)) await run("kind", ["create", "cluster", "--name", CLUSTER]);
  await run("docker", ["build", "--file", "deploy/image/Containerfile", "--tag", IMAGE, "."]);
  await run("kind", ["load", "docker-image", IMAGE, "--name", CLUSTER]);
  const kubectl = ["--context", `kind-${CLUSTER}`];
  const manifest = await Deno.readTextFile(new URL("deploy/install.yaml", ROOT));
  await run("kubectl", [...kubectl, "apply", "--server-side", "--filename", "-"], manifest.replace("REPLACE_ME/serin:0.1.0", IMAGE));
  for (const role of ROLES) {
    const text = await Deno.readTextFile(new URL(`deploy/rbac/${role}.yaml`, ROOT));
    const namespace = /^ {2}namespace: (flux-system|argocd)$/m.exec(text)?.[1];
    // A role of an engine that is not installed has nowhere to go.
    const exists = namespace === undefined ||
      (await run("kubectl", [...kubectl, "get", "namespace", namespace, "--ignore-not-found", "--output=name"])) !== "";
    if (exists) await run("kubectl", [...kubectl, "apply", "--filename", "-"], text);
  }
  await run("kubectl", [...kubectl, "apply", "--filename", config]);
  await run("kubectl", [...kubectl, "--namespace=serin", "rollout", "restart", "deployment/serin"]);
}

if (import.meta.main) await main();
