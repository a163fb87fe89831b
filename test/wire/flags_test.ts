/**
 * Each of the Deno flags of deploy/base/deployment.yaml is needed: the agent is started without one, or with one
 * narrowed, and says plainly what it lacks. That they are enough is shown in `permissions_test.ts`.
 */
import { match, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import { render } from "../../deploy/render.ts";
import { stringAt } from "../../src/core/kube_object.ts";
import { CANARY, MANIFEST } from "../../src/demo/stage.ts";
import { flagsOfDeployment } from "../support/agent_process.ts";
import { ACCOUNT, type Cast, type CastOptions, withCast } from "../support/cast.ts";
import { grantsTo, objectsIn } from "../support/rbac.ts";
import { until } from "../support/until.ts";

const DEPLOY = new URL("../../deploy/", import.meta.url);
const SETTINGS = "secrets: { copy: false }";

/** One value less in a flag. */
function narrowed(flags: readonly string[], name: string, isGone: (value: string) => boolean): readonly string[] {
  return flags.flatMap((flag) => {
    const [key, values = ""] = flag.split("=");
    if (key !== name) return [flag];
    const kept = values.split(",").filter((value) => !isGone(value));
    notStrictEqual(kept.length, values.split(",").length, `${name} has no such value`);
    return kept.length === 0 ? [] : [`${name}=${kept.join(",")}`];
  });
}

async function startedWith(options: Omit<CastOptions, "grants">, body: (cast: Cast) => Promise<void>): Promise<void> {
  const objects = objectsIn(await render(DEPLOY, { namespaces: [], parts: ["router_gatewayapi"] }));
  await withCast({ grants: grantsTo(ACCOUNT, objects), settings: SETTINGS, ...options }, body);
}

/** It ends by itself, and what it says names what it lacks. */
async function refuses({ agent }: Cast, words: RegExp): Promise<void> {
  await until("the agent has given up", () => agent.ended, 60_000);
  const { code, errors } = await agent.end();
  notStrictEqual(code, 0);
  match(errors, words);
}

const ENDS: readonly {
  readonly name: string;
  readonly flag: string;
  readonly isGone: (value: string, places: { readonly apiServer: string; readonly configFolder: string }) => boolean;
  readonly words: RegExp;
}[] = [
  {
    name: "the API server's address",
    flag: "--allow-net",
    isGone: (value, { apiServer }) => value === apiServer,
    words: /Requires net access to "127\.0\.0\.1:\d+"/,
  },
  {
    name: "its own address",
    flag: "--allow-net",
    isGone: (value) => value === "127.0.0.1:0",
    words: /Cannot listen on 127\.0\.0\.1:0: Requires net access/,
  },
  {
    name: "its configuration",
    flag: "--allow-read",
    isGone: (value, { configFolder }) => value === configFolder,
    words: /Cannot read the configuration ".*serin\.yaml": Requires read access/,
  },
  {
    name: "its service account",
    flag: "--allow-read",
    isGone: (value, { configFolder }) => value !== configFolder,
    words: /Cannot read the token file ".*": Requires read access/,
  },
  {
    name: "KUBERNETES_SERVICE_HOST",
    flag: "--allow-env",
    isGone: (value) => value === "KUBERNETES_SERVICE_HOST",
    words: /Cannot find the API server: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set/,
  },
  {
    name: "KUBERNETES_SERVICE_PORT",
    flag: "--allow-env",
    isGone: (value) => value === "KUBERNETES_SERVICE_PORT",
    words: /Cannot find the API server: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set/,
  },
];

for (const { name, flag, isGone, words } of ENDS) {
  Deno.test(`without ${name} in ${flag} the agent does not start, and says so`, async () => {
    const flags: CastOptions["flags"] = (given, places) => narrowed(given, flag, (value) => isGone(value, places));
    await startedWith({ flags }, (cast) => refuses(cast, words));
  });
}

Deno.test("without --ignore-env a package that looks up a variable ends the agent", async () => {
  await startedWith(
    // An anchor, since plain YAML is read without the package.
    { flags: (given) => given.filter((flag) => flag !== "--ignore-env"), settings: "secrets: &own { copy: false }" },
    (cast) => refuses(cast, /Requires env access to "/),
  );
});

Deno.test("without the Git server's address in --allow-net the source says so, and nothing is touched", async () => {
  let host = "";
  const flags: CastOptions["flags"] = (given, { allowedHosts }) => {
    host = allowedHosts.split(",")[0] ?? "";
    return narrowed(given, "--allow-net", (value) => value === host);
  };
  await startedWith({ flags }, async (cast) => {
    let said = "";
    await until("the source says so", async () => {
      const answer = await cast.ask("/readyz").catch(() => null);
      said = await answer?.text() ?? "";
      return said.includes("Requires net access");
    }, 60_000).catch((error) => {
      throw new Error(`${error}: ${said}\n${cast.agent.lines.join("\n")}`);
    });
    ok(said.includes(host), said);
    strictEqual(cast.sandbox.api.store.list("apps/v1", "Deployment", CANARY.namespace).length, 0);
  });
});

Deno.test("without Prometheus' address in --allow-net a rollout waits without traffic, and says why", async () => {
  const flags: CastOptions["flags"] = (given, { allowedHosts }) => {
    const host = allowedHosts.split(",")[1] ?? "";
    return narrowed(given, "--allow-net", (value) => value === host);
  };
  await startedWith({ flags }, async (cast) => {
    let view = "";
    const sees = (what: string, words: RegExp): Promise<void> =>
      until(what, async () => {
        const answer = await cast.ask(`/api/v1/canaries/${CANARY.namespace}/${CANARY.name}`).catch(() => null);
        view = await answer?.text() ?? "";
        return words.test(view);
      }, 60_000).catch((error) => {
        throw new Error(`${error}: ${view}\n${cast.agent.lines.join("\n")}`);
      });
    await sees("initialised", /"outcome":"initialised"/);
    await cast.clone.bump(MANIFEST, { from: ":6.0.0", to: ":6.0.1", message: "Bump podinfo to 6.0.1" });
    await sees("it waits", /"waitsFor":"Waits for the metrics server before traffic .*the agent may not connect to it/);
    match(view, /"weight":0/);
  });
});

/** Waits until it leads and returns who the Lease names. */
async function holder({ sandbox, agent }: Cast): Promise<string> {
  await until("it leads", () => agent.lines.some((line) => line.includes('"event":"leading"')), 60_000);
  const ref = { apiVersion: "coordination.k8s.io/v1", kind: "Lease", namespace: ACCOUNT.namespace, name: "serin" };
  return stringAt(sandbox.api.store.get(ref), "spec", "holderIdentity") ?? "";
}

Deno.test("without POD_NAME in --allow-env the Lease does not tell which pod leads", async () => {
  const flags: CastOptions["flags"] = (given) => narrowed(given, "--allow-env", (value) => value === "POD_NAME");
  await startedWith({ flags }, async (cast) => match(await holder(cast), /^serin-[0-9a-f]{8}$/));
  await startedWith({}, async (cast) => strictEqual(await holder(cast), "serin-0"));
});

Deno.test("without SERIN_* in --allow-env variables do not change the configuration", async () => {
  const env = { SERIN_CLUSTER: "from-a-variable" };
  const clusterOf = async ({ agent }: Cast): Promise<string> => {
    const started = (): string | undefined => agent.lines.find((line) => line.includes('"event":"started"'));
    await until("it has started", () => started() !== undefined, 60_000);
    return JSON.parse(started() ?? "{}").cluster;
  };
  const flags: CastOptions["flags"] = (given) => narrowed(given, "--allow-env", (value) => value === "SERIN_*");
  await startedWith({ flags, env }, async (cast) => strictEqual(await clusterOf(cast), "sandbox"));
  await startedWith({ env }, async (cast) => strictEqual(await clusterOf(cast), "from-a-variable"));
});

/** What Deno itself does with a program of a few lines. */
async function denoRuns(
  args: readonly string[],
  files: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number; readonly errors: string }> {
  const dir = await Deno.makeTempDir({ prefix: "serin-test-" });
  try {
    for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(`${dir}/${name}`, text);
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", ...args, "main.ts"],
      cwd: dir,
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    });
    const { code, stderr } = await command.output();
    return { code, errors: new TextDecoder().decode(stderr) };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("--frozen refuses a package that the lock does not name, --cached-only one that is not in the image", async () => {
  ok((await flagsOfDeployment()).includes("--frozen") && (await flagsOfDeployment()).includes("--cached-only"));
  const { imports } = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
  const files = {
    "main.ts": 'import "yaml";',
    "deno.json": JSON.stringify({ imports: { yaml: imports.yaml }, nodeModulesDir: "none" }),
    "deno.lock": JSON.stringify({ version: "5" }),
  };
  const loose = ["--cached-only", "--allow-read", "--ignore-env"];
  const open = await denoRuns(loose, files);
  strictEqual(open.code, 0, open.errors);
  const frozen = await denoRuns(["--frozen", ...loose], files);
  notStrictEqual(frozen.code, 0);
  match(frozen.errors, /lockfile is out of date/i);
  // An empty cache, and no way to fill it.
  const empty = await Deno.makeTempDir({ prefix: "serin-test-" });
  try {
    const cached = await denoRuns(loose, files, { DENO_DIR: empty });
    notStrictEqual(cached.code, 0);
    match(cached.errors, /cache/i);
  } finally {
    await Deno.remove(empty, { recursive: true });
  }
});

/** Runs a command in a terminal of its own until it has said something, or ended; returns what it has said. */
async function inTerminal(command: readonly string[], words: RegExp): Promise<string> {
  const child = new Deno.Command("script", {
    args: ["--quiet", "--return", "--command", command.join(" "), "/dev/null"],
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const stdin = child.stdin.getWriter();
  let said = "";
  const reading = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) said += text;
  })();
  let ended = false;
  const status = child.status.then(() => ended = true);
  try {
    await until("it has said something, or ended", () => words.test(said) || ended, 30_000);
  } finally {
    if (!ended) child.kill("SIGKILL");
    await stdin.close().catch(() => undefined);
    await Promise.all([status, reading]);
  }
  return said;
}

Deno.test("without --no-prompt somebody at a terminal would be asked for more", async () => {
  ok((await flagsOfDeployment()).includes("--no-prompt"));
  const dir = await Deno.makeTempDir({ prefix: "serin-test-" });
  try {
    await Deno.writeTextFile(`${dir}/main.ts`, 'await Deno.readTextFile("/etc/hostname");');
    const deno = [Deno.execPath(), "run", "--no-config"];
    match(await inTerminal([...deno, `${dir}/main.ts`], /Allow\?/), /Allow\?/);
    const refused = await inTerminal([...deno, "--no-prompt", `${dir}/main.ts`], /Requires read access/);
    match(refused, /Requires read access/);
    ok(!refused.includes("Allow?"));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
