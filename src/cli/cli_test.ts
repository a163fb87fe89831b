import assert from "node:assert/strict";
import { cli } from "../../test/support/cli.ts";

const SHOP = `apiVersion: flagger.app/v1beta1
kind: Canary
metadata: { name: shop, namespace: prod }
spec:
  provider: istio
  targetRef: { apiVersion: apps/v1, kind: Deployment, name: shop }
  service: { port: 80 }
  analysis: { interval: 1m, threshold: 3, stepWeight: 10, maxWeight: 50 }
`;

const DEPLOYMENT = `apiVersion: apps/v1
kind: Deployment
metadata: { name: shop, namespace: prod }
spec:
  selector: { matchLabels: { app: shop } }
  template:
    metadata: { labels: { app: shop } }
    spec: { containers: [{ name: app, image: "shop:1", ports: [{ containerPort: 8080 }] }] }
`;

Deno.test("help lists every command, and each command has help of its own", async () => {
  const all = await cli(["--help"]);
  assert.equal(all.status, 0);
  const names = [...all.stdout.matchAll(/^ {2}([a-z-]+) {2,}\S/gm)].map(([, name]) => name ?? "");
  assert.deepEqual(names, [
    "run",
    "demo",
    "status",
    "approve",
    "reject",
    "pause",
    "resume",
    "retry",
    "rollback",
    "adopt",
    "confirm-removal",
    "lint",
    "plan",
    "config",
  ]);
  for (const name of names.slice(2)) {
    const { status, stdout } = await cli([name, "--help"]);
    assert.equal(status, 0);
    assert.match(stdout, new RegExp(`Usage: serin ${name}`));
    assert.match(stdout, /Examples:\n {2}serin /);
    assert.equal((await cli(["help", name])).stdout, stdout);
    for (const line of stdout.split("\n")) assert.ok(line.length <= 120, line);
  }
});

Deno.test("run and demo get their arguments as they are, and their status counts", async () => {
  assert.equal((await cli(["run", "--config", "x", "--help"])).stdout, "run --config x --help\n");
  assert.equal((await cli(["help", "run"])).stdout, "run --help\n");
  assert.equal((await cli(["demo"])).status, 7);
});

const WRONG: readonly (readonly [readonly string[], RegExp])[] = [
  [[], /Usage: serin COMMAND/],
  [["staus"], /Did you mean "serin status"\?/],
  [["xyzzy"], /no command of serin/],
  [["status", "--outptu", "json"], /Did you mean "--output"\?/],
  [["status", "--output", "xml"], /Use --output text or --output json/],
  [["status", "--output"], /"--output" needs text\|json/],
  [["status", "a/b", "c"], /one argument too many/],
  [["status", "--watch"], /Cannot watch all canaries/],
  [["approve"], /NAMESPACE\/NAME is missing/],
  [["approve", "shop"], /Cannot tell which canary/],
  [["approve", "a/b/c"], /Cannot tell which canary/],
  [["approve", "prod/shop", "--gate", "confirm-promtion"], /Did you mean "confirm-promotion"\?/],
  [["pause", "prod/shop", "--gate", "confirm-promotion"], /"--gate" is not known/],
  [["pause", "prod/shop", "--token", "secret"], /"--token" is not known/],
  [["status", "--address", "ftp://x"], /no http or https URL/],
  [["status", "--token-file", "none"], /Cannot use the token file "none": it cannot be read/],
  [["status", "--context-file", "none"], /Cannot read the context file "none"/],
  [["lint"], /PATH is missing/],
  [["lint", "none"], /Cannot read "none"/],
  [["lint", ".", "--provider", "istoi"], /Provider "istoi" is not known/],
  [["config", "chekc"], /Use config check, config schema, config docs/],
  [["config", "check", "none.yaml"], /Cannot read the configuration "none.yaml"/],
];

for (const [args, words] of WRONG) {
  Deno.test(`"serin ${args.join(" ")}" is wrong usage, and says how`, async () => {
    const { status, stdout, stderr } = await cli(args);
    assert.equal(status, 2, stderr);
    assert.match(stderr, words);
    assert.equal(stdout, "");
  });
}

const CONTEXTS: readonly (readonly [string, string, RegExp])[] = [
  ["a broken one", "a: [", /it is not YAML/],
  ["a list", "- a", /it is no mapping/],
  ["an unknown field", "token: abc", /field "token" is not known/],
  ["a number", "address: 8080", /address is no text/],
];

for (const [what, text, words] of CONTEXTS) {
  Deno.test(`a context file with ${what} is wrong usage`, async () => {
    const { status, stderr } = await cli(["status", "--context-file", "c.yaml"], { files: { "c.yaml": text } });
    assert.equal(status, 2);
    assert.match(stderr, words);
    assert.ok(!stderr.includes("abc"));
  });
}

/** Who was asked, with which token: flags go before variables, variables before the context file. */
async function asked(args: readonly string[], env: Record<string, string>) {
  let seen: readonly [string, string | null] = ["", null];
  await cli(["status", ...args], {
    env: { HOME: "/home/jo", ...env },
    files: {
      "/home/jo/.config/serin/context.yaml": "address: http://context:1\ntokenFile: token",
      "/home/jo/.config/serin/token": "context-token\n",
      "/tmp/other.yaml": "address: http://other:2/serin/\ntokenFile: ~/other-token",
      "/home/jo/other-token": "other-token",
      "flag-token": "flag-token",
    },
    fetch(url, init) {
      seen = [url, new Headers(init.headers).get("authorization")];
      return Promise.resolve(Response.json({ canaries: [] }));
    },
  });
  return seen;
}

const PRECEDENCE: readonly (readonly [string, readonly string[], Record<string, string>, string, string | null])[] = [
  ["the context file", [], {}, "http://context:1", "Bearer context-token"],
  [
    "the environment",
    [],
    { SERIN_ADDRESS: "http://env:3", SERIN_TOKEN: "env-token" },
    "http://env:3",
    "Bearer env-token",
  ],
  [
    "a flag",
    ["--address", "http://flag:4", "--token-file", "flag-token"],
    {
      SERIN_ADDRESS: "http://env:3",
      SERIN_TOKEN: "env-token",
    },
    "http://flag:4",
    "Bearer flag-token",
  ],
  ["another context file", [], { SERIN_CONTEXT: "/tmp/other.yaml" }, "http://other:2/serin", "Bearer other-token"],
  ["nothing", [], { HOME: "/home/none" }, "http://127.0.0.1:8080", null],
];

for (const [from, args, env, address, token] of PRECEDENCE) {
  Deno.test(`address and token come from ${from}`, async () => {
    assert.deepEqual(await asked(args, env), [`${address}/api/v1/canaries`, token]);
  });
}

Deno.test("lint says nothing of a folder that is right", async () => {
  const { status, stdout } = await cli(["lint", "."], {
    files: {
      "apps/canary.yaml": SHOP,
      "apps/deployment.yaml": DEPLOYMENT,
      "README.md": "# no",
      ".git/config.yaml": "a: [",
      ".serin/eu/prod/shop/primary.yaml": "kind: [",
    },
  });
  assert.equal(stdout, "2 files, 1 canary: 0 errors, 0 warnings\n");
  assert.equal(status, 0);
});

Deno.test("lint names file, line, field and what to do, and exits with 1", async () => {
  const files = { "apps/canary.yaml": SHOP.replace("threshold: 3", "treshold: 3"), "apps/deployment.yaml": DEPLOYMENT };
  const { status, stdout } = await cli(["lint", "apps"], { files });
  assert.equal(status, 1);
  assert.match(stdout, /^apps\/canary\.yaml:8: error: spec\.analysis\.treshold: .*"threshold"/m);
  assert.match(stdout, /^ {4}fix: /m);
  const json = JSON.parse((await cli(["lint", "apps", "--output", "json"], { files })).stdout);
  assert.deepEqual(json.canaries, [{ canary: "prod/shop", ok: false }]);
  assert.equal(json.complaints[0].line, 8);
});

Deno.test("lint takes one file, and warnings are errors when asked", async () => {
  const files = { "all.yaml": `${SHOP.replace("interval: 1m", "interval: 5s")}---\n${DEPLOYMENT}` };
  const lenient = await cli(["lint", "all.yaml"], { files });
  assert.match(lenient.stdout, /: warning: spec\.analysis\.interval/);
  assert.equal(lenient.status, 0);
  assert.equal((await cli(["lint", "all.yaml", "--warnings-as-errors"], { files })).status, 1);
});

Deno.test("colours are for terminals, and not with NO_COLOR", async () => {
  const files = { "a.yaml": "apiVersion: flagger.app/v1beta1\nkind: Canry\nmetadata: { name: x }\n" };
  const coloured = (run: { readonly stdout: string }) => run.stdout.includes("\x1b[");
  assert.equal(coloured(await cli(["lint", "a.yaml"], { files, isTerminal: true })), true);
  assert.equal(coloured(await cli(["lint", "a.yaml"], { files })), false);
  assert.equal(coloured(await cli(["lint", "a.yaml"], { files, isTerminal: true, env: { NO_COLOR: "1" } })), false);
  assert.equal(coloured(await cli(["lint", "a.yaml"], { files, isTerminal: true, env: { NO_COLOR: "" } })), true);
});

Deno.test("config check explains by line, schema is JSON, docs are Markdown", async () => {
  const good = { "s.yaml": "cluster: eu\nsources:\n  - { name: a, url: https://git.example.com/a.git }\n" };
  const fine = await cli(["config", "check", "s.yaml"], { files: good });
  assert.deepEqual([fine.status, fine.stdout], [0, "s.yaml: fine\n"]);
  const bad = await cli(["config", "check", "--config", "s.yaml"], {
    files: { "s.yaml": "cluster: eu\nsourcs: []\n" },
  });
  assert.equal(bad.status, 1);
  assert.match(bad.stdout, /^s\.yaml:2: error: sourcs: .*"sources"/m);
  assert.equal(JSON.parse((await cli(["config", "schema"])).stdout).type, "object");
  assert.match((await cli(["config", "docs"])).stdout, /# The agent's configuration/);
});
