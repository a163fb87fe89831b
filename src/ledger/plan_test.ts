/** Plans: what a decision comes to on tips that are as expected, and on tips where something else happened meanwhile. */
import assert from "node:assert/strict";
import type { CatalogueEntry, Manifest } from "../core/catalogue.ts";
import { type Decision, lockDigest, type StatusFile } from "../core/decision.ts";
import { type Release, releaseOf } from "../core/release.ts";
import { parseFile } from "../spec/parse_file.ts";
import { aCanary } from "../../test/support/builders.ts";
import { aDecision, aLock, aRevert, aStatus, CLUSTER, releaseAt } from "../../test/support/ledger_builders.ts";
import { committedLock, lockPath, parseLockFile } from "./lock_file.ts";
import type { Carrier, Rendered } from "./places/restore_places.ts";
import { type Plan, planDecision, type PlanTip } from "./plan.ts";
import { statusPath } from "./status_file.ts";

const ID = { namespace: "prod", name: "shop" };
const LOCK_PATH = lockPath("eu", ID);
const STATUS_PATH = statusPath("eu", ID);
const FILE = "apps/shop.yaml";
const HEAD = "f".repeat(40);

const parse = (path: string, content: Uint8Array<ArrayBuffer>) => parseFile(path, content).manifests;

/** The manifest of `releaseAt(tag)`, as a file. */
function manifest(tag: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: prod, labels: {app: shop}}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      containers:
      - name: app
        image: registry.example.com/shop:${tag} # bump here
        ports: [{name: http, containerPort: 8080}]
`);
}

function entryAt(
  tag: string,
  overrides: Parameters<typeof aCanary>[0] = {},
): Extract<CatalogueEntry, { type: "canary" }> {
  const target: Manifest | undefined = parse(FILE, manifest(tag))[0];
  if (target === undefined) throw new Error("no manifest");
  const release = releaseOf(HEAD, target.object, () => null, { scaler: null, tracking: true });
  return { type: "canary", canary: aCanary(overrides), release, target, configs: [], warnings: [] };
}

function aTip(
  tag: string,
  overrides: Partial<PlanTip> & { readonly canary?: Parameters<typeof aCanary>[0] } = {},
): PlanTip {
  const { canary, ...rest } = overrides;
  const entry = entryAt(tag, canary);
  return {
    commit: HEAD,
    entry,
    entries: new Map([["prod/shop", entry]]),
    lock: read({ lock: aLock(), declaredIn: { canary: "apps/canary.yaml", target: FILE }, configsOmitted: false }),
    status: read(statusAfter(aLock().release)),
    foreignLocks: [],
    targetUndeclared: false,
    landed: null,
    file: (path) => path === FILE ? { path, content: manifest(tag), link: false } : null,
    original: () => null,
    parse,
    ...rest,
  };
}

const read = <T>(value: T) => ({ type: "read", value }) as const;

function statusAfter(release: Release): StatusFile {
  const lock = lockDigest(committedLock(aLock({ release })));
  return aStatus({ history: [{ lock, revision: release.revision, at: 0 }] });
}

interface Written {
  readonly files: Readonly<Record<string, string>>;
  readonly status: StatusFile;
  readonly subject: string;
  readonly note: string | null;
}

function written(decision: Decision, tip: PlanTip): Written {
  const plan = planDecision(decision, tip, CLUSTER);
  if (plan.type !== "commit" || plan.status === null) throw new Error(JSON.stringify(plan));
  const files = plan.edits.map(({ path, content }) => [path, new TextDecoder().decode(content ?? undefined)]);
  const { status, note, message } = plan;
  return { files: Object.fromEntries(files), status, note, subject: message.split("\n")[0] ?? "" };
}

function reasonOf(plan: Plan): string {
  return plan.type === "impossible" ? plan.reason : `not impossible: ${plan.type}`;
}

const before = aLock();
const bad = releaseAt("1.1.0", "2".repeat(40));
const previous = aLock({ release: releaseAt("1.0.0") });
/** The lock of 1.1.0 is at the tip, as after its promotion. */
const promoted: Partial<PlanTip> = {
  lock: read({ lock: aLock({ release: bad }), declaredIn: null, configsOmitted: false }),
  status: read(statusAfter(bad)),
};

Deno.test("planDecision() promotes: the lock, the status, and not a byte of the manifests", () => {
  const { files, status, subject } = written(aDecision(), aTip("1.1.0"));
  assert.deepEqual(Object.keys(files), [LOCK_PATH, STATUS_PATH]);
  assert.equal(subject, "Promote prod/shop to shop:1.1.0");
  const lock = parseLockFile(files[LOCK_PATH] ?? "");
  assert.deepEqual(lock.type === "read" && lock.value.lock, aDecision().lock);
  assert.deepEqual(lock.type === "read" && lock.value.declaredIn, { canary: "apps/shop/canary.yaml", target: FILE });
  assert.equal(status.last.id, "run-1/promotion");
  assert.deepEqual(status.history.map(({ revision }) => revision), [bad.revision, before.release.revision]);
});

Deno.test("planDecision() initialises where there is no lock", () => {
  const decision = aDecision({ kind: "initialise", release: before.release, lock: before });
  const { files } = written(decision, aTip("1.0.0", { lock: { type: "absent" }, status: { type: "absent" } }));
  assert.deepEqual(Object.keys(files), [LOCK_PATH, STATUS_PATH]);
});

Deno.test("planDecision() reverts: the manifests and the status, and not a byte of the lock", () => {
  const { files, status, note } = written(aRevert(), aTip("1.1.0"));
  assert.deepEqual(Object.keys(files), [FILE, STATUS_PATH]);
  assert.equal(files[FILE], new TextDecoder().decode(manifest("1.0.0")));
  assert.equal(note, null);
  assert.deepEqual(status.quarantine.map(({ revision, reverts }) => [revision, reverts]), [[bad.revision, 1]]);
});

for (const kind of ["withdrawal", "rollback"] as const) {
  Deno.test(`planDecision() writes the earlier lock and reverts: ${kind}`, () => {
    const { files, status } = written(aRevert({ kind, lock: previous }), aTip("1.1.0", promoted));
    assert.deepEqual(Object.keys(files), [FILE, LOCK_PATH, STATUS_PATH]);
    assert.equal(files[FILE], new TextDecoder().decode(manifest("1.0.0")));
    const lock = parseLockFile(files[LOCK_PATH] ?? "");
    assert.deepEqual(lock.type === "read" && lock.value.lock, previous);
    assert.equal(status.history[0]?.lock, lockDigest(previous));
  });
}

const LEFT: readonly (readonly [string, PlanTip, RegExp, number])[] = [
  ["they declare it already", aTip("1.0.0"), /declare this release already/, 0],
  ["they declare something newer", aTip("1.2.0"), /declare another release by now \(shop:1\.2\.0, revision/, 0],
  ["the canary is gone", aTip("1.1.0", { entry: undefined }), /no longer declare this canary/, 0],
  [
    "the canary is broken",
    aTip("1.1.0", { entry: { type: "broken", id: ID, file: "c.yaml", complaints: [] } }),
    /cannot be read \("c\.yaml"\)/,
    0,
  ],
  [
    "another canary has its target there",
    aTip("1.1.0", { entries: new Map([["prod/shop", entryAt("1.1.0")], ["prod/other", entryAt("1.1.0")]]) }),
    /canary "prod\/other" depends on them too/,
    0,
  ],
  [
    "another cluster was promoted from there",
    aTip("1.1.0", { foreignLocks: [{ cluster: "us", declaredIn: FILE }] }),
    /cluster "us" depends on them too/,
    0,
  ],
  [
    "another cluster's lock does not say from where",
    aTip("1.1.0", { foreignLocks: [{ cluster: "us", declaredIn: null }] }),
    /cluster "us" depends on them too/,
    0,
  ],
];
for (const [what, tip, note, reverts] of LEFT) {
  Deno.test(`planDecision() leaves the manifests alone, says so, and quarantines: ${what}`, () => {
    const plan = written(aRevert(), tip);
    assert.deepEqual(Object.keys(plan.files), [STATUS_PATH]);
    assert.match(plan.note ?? "", note);
    assert.equal(plan.subject, "Quarantine shop:1.1.0 of prod/shop");
    assert.deepEqual(plan.status.quarantine.map(({ revision, reverts }) => [revision, reverts]), [[
      bad.revision,
      reverts,
    ]]);
  });
}

Deno.test("planDecision() reverts where others depend on the manifests in other files, or all go together", () => {
  const elsewhere = aTip("1.1.0", { foreignLocks: [{ cluster: "us", declaredIn: "us/shop.yaml" }] });
  assert.ok(FILE in written(aRevert(), elsewhere).files);
  const fleet = aTip("1.1.0", {
    canary: { release: { scope: "fleet" } },
    foreignLocks: [{ cluster: "us", declaredIn: FILE }],
  });
  assert.ok(FILE in written(aRevert(), fleet).files);
});

Deno.test("planDecision() of a rendered release writes the places that rendering names, or leaves what others share", () => {
  const path = "apps/kustomization.yaml";
  const text = (tag: string) => `images:\n- {name: registry.example.com/shop, newTag: ${tag}}\n`;
  const content = (tag: string) => new TextEncoder().encode(text(tag));
  const place = { kind: "kustomize-image", file: path, document: 0, object: "Kustomization " } as const;
  const carrier = {
    place: { ...place, key: "images/registry.example.com/shop" },
    as: "manifests",
    containers: ["app"],
    alsoServes: [],
  } as const;
  const tip = (carriers: readonly Carrier[], rendered: Rendered, overrides: Parameters<typeof aTip>[1] = {}) =>
    aTip("1.1.0", {
      canary: { render: "kustomize", ...overrides.canary },
      file: (name) => name === path ? { path, content: content("1.1.0"), link: false } : null,
      rendering: { carriers, rendered: () => rendered },
    });
  const release = { type: "release", release: releaseAt("1.0.0") } as const;
  const { files } = written(aRevert(), tip([carrier], release));
  assert.deepEqual(Object.keys(files), [path, STATUS_PATH]);
  assert.equal(files[path], text("1.0.0"));
  const shared = { ...carrier, alsoServes: ['canary "prod/web"'] };
  assert.match(written(aRevert(), tip([shared], release)).note ?? "", /canary "prod\/web" depends on them too/);
  const fleet = tip([shared], release, { canary: { release: { scope: "fleet" } } });
  assert.ok(path in written(aRevert(), fleet).files);
  assert.equal(planDecision(aRevert(), tip([carrier], { type: "unknown" }), CLUSTER).type, "needs-rendering");
});

const foreignUid = aLock({ cluster: { name: "eu", uid: "another" } });
const IMPOSSIBLE: readonly (readonly [string, Decision, PlanTip, RegExp])[] = [
  ["superseded", aDecision(), aTip("1.2.0"), /^Superseded: the tip declares shop:1\.2\.0 \(revision/],
  ["cancelled", aDecision(), aTip("1.0.0"), /^Superseded: the tip declares shop:1\.0\.0/],
  ["canary gone", aDecision(), aTip("1.1.0", { entry: undefined }), /no longer declared/],
  [
    "canary broken",
    aDecision(),
    aTip("1.1.0", { entry: { type: "broken", id: ID, file: "c.yaml", complaints: [] } }),
    /"c\.yaml" is broken/,
  ],
  [
    "lock of another cluster",
    aDecision(),
    aTip("1.1.0", { lock: read({ lock: foreignUid, declaredIn: null, configsOmitted: false }) }),
    /belongs to another cluster \(UID another\)/,
  ],
  ["lock broken", aDecision(), aTip("1.1.0", { lock: { type: "broken", reason: "x" } }), /lock .* cannot be read: x/],
  [
    "status broken",
    aRevert(),
    aTip("1.1.0", { status: { type: "broken", reason: "x" } }),
    /status file .* cannot be read: x/,
  ],
  [
    "lock changed by a person before a promotion",
    aDecision(),
    aTip("1.1.0", {
      lock: read({ lock: aLock({ release: releaseAt("0.9.0") }), declaredIn: null, configsOmitted: false }),
    }),
    /was changed by someone else/,
  ],
  [
    "lock changed by a person before a revert",
    aRevert(),
    aTip("1.1.0", {
      lock: read({ lock: aLock({ release: releaseAt("0.9.0") }), declaredIn: null, configsOmitted: false }),
    }),
    /was changed by someone else/,
  ],
  [
    "there is a lock already, and it is not the one written last",
    aDecision({ kind: "initialise" }),
    aTip("1.1.0", {
      lock: read({ lock: aLock({ release: releaseAt("0.9.0") }), declaredIn: null, configsOmitted: false }),
    }),
    /has a lock already/,
  ],
  ["rendered", aRevert(), aTip("1.1.0", { canary: { render: "kustomize" } }), /they are rendered \(kustomize\)/],
  [
    "the manifest is a link",
    aRevert(),
    aTip("1.1.0", { file: (path) => ({ path, content: manifest("1.1.0"), link: true }) }),
    /it is a link/,
  ],
];
for (const [what, decision, tip, reason] of IMPOSSIBLE) {
  Deno.test(`planDecision() is impossible, with the reason: ${what}`, () => {
    assert.match(reasonOf(planDecision(decision, tip, CLUSTER)), reason);
  });
}

Deno.test("planDecision() is done where the tip or its history has the decision", () => {
  const last = { ...aStatus().last, id: "run-1/promotion" };
  const decided = aTip("1.2.0", { status: read(aStatus({ last })) });
  assert.deepEqual(planDecision(aDecision(), decided, CLUSTER), { type: "done", commit: HEAD });
  const later = aTip("1.2.0", { landed: "e".repeat(40) });
  assert.deepEqual(planDecision(aDecision(), later, CLUSTER), { type: "done", commit: "e".repeat(40) });
});

Deno.test("planDecision() restores a lock that is missing, broken or older, and writes nothing where it is there", () => {
  const decision = aDecision({ id: "run-2/restore-lock", kind: "restore-lock", lock: aLock({ release: bad }) });
  for (const lock of [{ type: "absent" }, { type: "broken", reason: "x" }, aTip("1.1.0").lock] as const) {
    assert.ok(LOCK_PATH in written(decision, aTip("1.1.0", { lock })).files);
  }
  assert.equal(planDecision(decision, aTip("1.1.0", promoted), CLUSTER).type, "done");
});

Deno.test("planDecision() keeps the digests of a quarantined revision, also when a later revert saw none", () => {
  const decision = aRevert();
  const { release } = decision;
  const seen = { release, reason: "bad", digests: { "shop:1.1.0": "sha256:abc" } };
  const first = written({ ...decision, quarantine: seen }, aTip("1.1.0")).status;
  const again = written(aRevert({ id: "run-2/revert" }), aTip("1.1.0", { status: read(first) })).status;
  assert.deepEqual(again.quarantine[0]?.digests, { "shop:1.1.0": "sha256:abc" });
});

Deno.test("planDecision() counts reverts of a revision, lifts it, and forgets it once it is promoted", () => {
  const first = written(aRevert(), aTip("1.1.0")).status;
  const at = (first.quarantine[0]?.lastRevertAt ?? NaN) + 60_000;
  const again = written(aRevert({ id: "run-2/revert", at }), aTip("1.1.0", { status: read(first) })).status;
  assert.deepEqual(again.quarantine.map(({ reverts, lastRevertAt }) => [reverts, lastRevertAt]), [[2, at]]);
  assert.deepEqual(again.quarantine[0]?.recentReverts, [at, at - 60_000]);
  const lift = aDecision({ id: "run-3/record", kind: "record", lock: before, lift: bad.revision });
  assert.deepEqual(written(lift, aTip("1.1.0", { status: read(again) })).status.quarantine, []);
  assert.deepEqual(written(aDecision(), aTip("1.1.0", { status: read(again) })).status.quarantine, []);
});

Deno.test("planDecision() keeps ten locks of history, newest first, and repeats none in a row", () => {
  let status = statusAfter(before.release);
  for (let run = 0; run < 12; run++) {
    const release = releaseAt(`2.${run}.0`);
    const id = `run-${run}/promotion`;
    const lock = { lock: aLock({ release: releaseAt("x") }), declaredIn: null, configsOmitted: false };
    const history = [{ lock: lockDigest(lock.lock), revision: "x", at: 0 }, ...status.history];
    const tip = aTip(`2.${run}.0`, { status: read({ ...status, history: run === 0 ? status.history : history }) });
    const own = run === 0 ? tip : { ...tip, lock: read(lock) };
    status = written(aDecision({ id, release, lock: aLock({ release }) }), own).status;
  }
  assert.equal(status.history.length, 10);
  assert.equal(status.history[0]?.revision, releaseAt("2.11.0").revision);
  const record = aDecision({ id: "r/record", kind: "record", lock: aLock({ release: releaseAt("2.11.0") }) });
  const lock = read({ lock: record.lock, declaredIn: null, configsOmitted: false });
  assert.deepEqual(written(record, aTip("2.11.0", { lock, status: read(status) })).status.history, status.history);
});
