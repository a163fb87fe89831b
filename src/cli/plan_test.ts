/** `serin plan` on a working tree in memory; commits and branches are in `test/wire/cli_plan_test.ts`. */
import assert from "node:assert/strict";
import { lockPath, renderLockFile } from "../ledger/lock_file.ts";
import { cli } from "../../test/support/cli.ts";
import { aLock } from "../../test/support/ledger_builders.ts";
import { edited, locksOf, MANIFESTS, releasesOf, revisionIn } from "../../test/support/planned_shop.ts";

type Files = Readonly<Record<string, string>>;

const LOCKED: Files = { ...MANIFESTS, ...locksOf(MANIFESTS) };
const DEPLOYMENT = "apps/shop/deployment.yaml";
const BUMPED = edited(LOCKED, DEPLOYMENT, "shop:1", "shop:2");

async function planned(files: Files, ...args: readonly string[]) {
  const { status, stdout, stderr } = await cli(["plan", "-o", "json", ...args], { files });
  assert.equal(stderr, "");
  return { status, ...JSON.parse(stdout) };
}

function outcomes({ canaries }: { canaries: readonly { canary: string; outcome: string }[] }): Record<string, string> {
  return Object.fromEntries(canaries.map(({ canary, outcome }) => [canary, outcome]));
}

Deno.test("plan: manifests that declare their locks start nothing", async () => {
  const result = await planned(LOCKED, "--detailed-exit-code");
  assert.deepEqual(outcomes(result), { "prod/api": "nothing", "prod/shop": "nothing" });
  assert.deepEqual([result.status, result.cluster, result.commit, result.complaints], [0, "eu", null, []]);
});

Deno.test("plan: a new tag starts a rollout of its canary alone, and the line is named", async () => {
  const result = await planned(BUMPED);
  assert.deepEqual(outcomes(result), { "prod/api": "nothing", "prod/shop": "rollout" });
  const [, shop] = result.canaries;
  assert.deepEqual([shop.revision, shop.locked], [revisionIn(BUMPED, "shop"), revisionIn(MANIFESTS, "shop")]);
  const what = "spec.template.spec.containers[0].image";
  assert.deepEqual(shop.changes, [{ file: DEPLOYMENT, line: 12, what, from: "shop:1", to: "shop:2" }]);
  assert.match(BUMPED[DEPLOYMENT]?.split("\n")[11] ?? "", /image: "shop:2"/);
  assert.equal(result.status, 0);
  assert.equal((await planned(BUMPED, "--detailed-exit-code")).status, 5);
});

Deno.test("plan: in words for people", async () => {
  const { status, stdout } = await cli(["plan"], { files: BUMPED });
  const [is, was] = [revisionIn(BUMPED, "shop"), revisionIn(MANIFESTS, "shop")];
  assert.equal(status, 0);
  assert.equal(
    stdout,
    `prod/api: nothing (revision ${revisionIn(MANIFESTS, "api")})
prod/shop: would start a rollout (revision ${is} from ${was})
  ${DEPLOYMENT}:12: spec.template.spec.containers[0].image: shop:1 -> shop:2
working tree, cluster "eu": 1 nothing, 1 would start a rollout; 0 errors, 0 warnings
`,
  );
});

Deno.test("plan: a ConfigMap of the release unit that changed is named with its place, its content is not shown", async () => {
  const files = edited(LOCKED, DEPLOYMENT, "colour: blue", "colour: red");
  const { canaries } = await planned(files);
  const [change] = canaries[1].changes;
  assert.deepEqual([change.file, change.line, change.what], [DEPLOYMENT, 16, 'ConfigMap "shop-config"']);
  assert.ok(!JSON.stringify(canaries).includes("red"));
});

Deno.test("plan: what does not enter the revision starts nothing", async () => {
  const files = edited(LOCKED, DEPLOYMENT, "# The shop.", "# The shop, again.\n# With more words.");
  assert.deepEqual(outcomes(await planned(files, "--detailed-exit-code")), {
    "prod/api": "nothing",
    "prod/shop": "nothing",
  });
});

Deno.test("plan: a quarantined revision would be reverted: status 1, with the reason and the next time", async () => {
  const at = Date.UTC(2026, 0, 31, 12);
  const release = releasesOf(BUMPED).get("prod/shop");
  const entry = { revision: release?.revision ?? "", images: [], since: at, reason: "checks failed", digests: {} };
  const again = { ...entry, reverts: 2, lastRevertAt: at, recentReverts: [at, at - 60_000] };
  const result = await planned({ ...BUMPED, ...locksOf(MANIFESTS, "eu", [again]) });
  assert.deepEqual([result.status, outcomes(result)], [1, { "prod/api": "nothing", "prod/shop": "reverted" }]);
  assert.match(result.canaries[1].reason, /quarantined \(checks failed\).*from 2026-01-31T12:02:00Z on/);
});

const ODD: readonly (readonly [string, Files, string, RegExp, number])[] = [
  ["without a lock", { ...MANIFESTS, ".git/HEAD": "" }, "first-start", /no lock yet/, 0],
  [
    "that is suspended",
    edited(BUMPED, "apps/shop/canary.yaml", "spec:", "spec:\n  suspend: true"),
    "waiting",
    /suspend/,
    0,
  ],
  [
    "that skips its analysis",
    edited(BUMPED, "apps/shop/canary.yaml", "spec:", "spec:\n  skipAnalysis: true"),
    "rollout",
    /skipAnalysis/,
    0,
  ],
  [
    "with an error",
    edited(LOCKED, "apps/shop/canary.yaml", "threshold: 3", "threshold: -3"),
    "stalled",
    /has errors/,
    1,
  ],
  [
    "whose lock is broken",
    { ...LOCKED, ".serin/eu/prod/shop/primary.yaml": "a: [" },
    "stalled",
    /lock cannot be read/,
    1,
  ],
  ["that is gone", { ...LOCKED, "apps/shop/canary.yaml": "" }, "removed", /no longer declared .*canary\.yaml/, 0],
  [
    "whose file cannot be read",
    { ...LOCKED, "apps/shop/canary.yaml": "apiVersion: flagger.app/v1beta1\nkind: Canary\n a: {" },
    "unknown",
    /cannot be read: everything stays/,
    1,
  ],
];

for (const [what, files, outcome, reason, status] of ODD) {
  Deno.test(`plan: a canary ${what}: ${outcome}`, async () => {
    const result = await planned(files);
    const shop = result.canaries.find(({ canary }: { canary: string }) => canary === "prod/shop");
    assert.equal(shop.outcome, outcome);
    assert.match(shop.reason, reason);
    assert.equal(result.status, status);
  });
}

Deno.test("plan: complaints come with file and line, as lint has them", async () => {
  const files = edited(LOCKED, "apps/shop/canary.yaml", "threshold: 3", "threshold: -3");
  const { stdout, status } = await cli(["plan"], { files });
  assert.match(stdout, /^apps\/shop\/canary\.yaml:8: error: spec\.analysis\.threshold: /m);
  assert.equal(status, 1);
});

Deno.test("plan: locks of several clusters need a name, and each has its own answer", async () => {
  const files = { ...BUMPED, ...locksOf(BUMPED, "us") };
  const { status, stderr } = await cli(["plan"], { files });
  assert.equal(status, 2);
  assert.match(stderr, /locks of 2 clusters\nUse --cluster eu\|us\./);
  assert.equal(outcomes(await planned(files, "--cluster", "eu"))["prod/shop"], "rollout");
  assert.equal(outcomes(await planned(files, "--cluster", "us"))["prod/shop"], "nothing");
});

Deno.test("plan: a folder is a root of its own, and --paths narrows what is read", async () => {
  const files = Object.fromEntries(Object.entries(BUMPED).map(([path, text]) => [`clone/${path}`, text]));
  const result = await planned(files, "clone");
  assert.equal(result.canaries[1].changes[0].file, DEPLOYMENT);
  assert.deepEqual(outcomes(await planned(BUMPED, "--paths", "apps/shop")), {
    "prod/api": "unknown",
    "prod/shop": "rollout",
  });
});

Deno.test("plan: a configuration gives cluster, paths and profiles", async () => {
  const config = `cluster: us
provider: istio
metricsServer: http://prometheus:9090
sources:
  - { name: apps, url: "https://git.example.com/apps.git", branch: main, paths: [apps/shop] }
`;
  const files = { ...BUMPED, ...locksOf(BUMPED, "us"), "/serin.yaml": config };
  const result = await planned(files, "--config", "/serin.yaml");
  assert.deepEqual([result.cluster, result.files], ["us", 2]);
});

const WRONG: readonly (readonly [readonly string[], Files, RegExp])[] = [
  [["plan", "apps"], MANIFESTS, /"apps" is not the root of a repository/],
  [["plan", "--commit", "HEAD", "--branch", "main"], LOCKED, /Give one of --commit and --branch/],
  [["plan", "--commit", "HEAD"], LOCKED, /no git in this test/],
  [["plan", "--commit", "--upload-pack=x"], LOCKED, /is no revision/],
  [["plan", "--config", "none.yaml"], LOCKED, /it cannot be read/],
  [["plan", "--provider", "istoi"], LOCKED, /Provider "istoi" is not known/],
];

for (const [args, files, words] of WRONG) {
  Deno.test(`"serin ${args.join(" ")}" is wrong usage, and says how`, async () => {
    const { status, stdout, stderr } = await cli(args, { files });
    assert.equal(status, 2, stderr);
    assert.match(stderr, words);
    assert.equal(stdout, "");
  });
}

Deno.test("plan: what kustomize renders is neither a rollout nor gone, and it is said that it was not looked at", async () => {
  const canary = "apps/shop/canary.yaml";
  const lock = ".serin/eu/prod/shop/primary.yaml";
  const rendered: Files = {
    ...edited(LOCKED, canary, "spec:\n", "spec:\n  render: kustomize\n"),
    "apps/shop/kustomization.yaml": "resources: [canary.yaml, deployment.yaml]\n",
  };
  const files = edited(rendered, lock, canary, "apps/shop/kustomization.yaml");
  const result = await planned(files);
  assert.deepEqual(outcomes(result), { "prod/api": "nothing", "prod/shop": "unknown" });
  assert.match(result.canaries[1].reason, /is rendered by kustomize, which is not run here/);
  assert.deepEqual(
    result.complaints.map(({ file, severity }: { file: string; severity: string }) => [file, severity]),
    [
      [canary, "warning"],
    ],
  );
});

Deno.test("plan: of what an engine renders the images are told by their places, and that the rest is not known here", async () => {
  const rendering = {
    template: "abc",
    rest: "def",
    source: "ghi",
    owner: "helm.toolkit.fluxcd.io/HelmRelease prod/shop",
  };
  const [release] = [releasesOf(MANIFESTS).get("prod/shop")];
  assert.ok(release);
  const images = [{ container: "app", image: "ghcr.io/acme/shop:1.0.0" }];
  const lock = aLock({ release: { ...release, revision: "abc", images, rendering } });
  const values = (tag: string) =>
    `apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: shop, namespace: prod}\nspec:\n  values:\n    image:\n      tag: ${tag}\n`;
  const files: Files = {
    "apps/shop/canary.yaml": (MANIFESTS["apps/shop/canary.yaml"] ?? "").replace(
      "metadata: {",
      "metadata: { annotations: { serin.dev/render: live },",
    ),
    "apps/shop/release.yaml": values("2.0.0"),
    [lockPath("eu", { namespace: "prod", name: "shop" })]: renderLockFile(lock, null),
  };
  const bumped = await planned(files);
  assert.deepEqual(outcomes(bumped), { "prod/shop": "rollout" });
  assert.deepEqual(bumped.canaries[0].changes, [
    { file: "apps/shop/release.yaml", line: 7, what: "values/image", from: "ghcr.io/acme/shop:1.0.0", to: "2.0.0" },
  ]);
  assert.match(bumped.canaries[0].reason, /By its images; what else its engine renders only the agent can tell/);
  const same = await planned({ ...files, "apps/shop/release.yaml": values("1.0.0") });
  assert.deepEqual([outcomes(same), same.status], [{ "prod/shop": "unknown" }, 0]);
  assert.match(same.canaries[0].reason, /images are the lock's \(apps\/shop\/release.yaml:7\)/);
  const { "apps/shop/release.yaml": _gone, ...without } = files;
  assert.match((await planned(without)).canaries[0].reason, /No place is known that says its images/);
});
