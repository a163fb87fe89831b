/** Removals planned: both files go where Canary and target are gone from the tip, and in no other case. */
import { deepEqual, equal, match } from "node:assert/strict";
import { aCanary } from "../../test/support/builders.ts";
import { aDecision, aLock, aStatus, CLUSTER, releaseAt } from "../../test/support/ledger_builders.ts";
import { lockPath } from "./lock_file.ts";
import { planDecision, type PlanTip } from "./plan.ts";
import { statusPath } from "./status_file.ts";
import { trailerValues } from "./trailers.ts";

const ID = { namespace: "prod", name: "shop" };
const HEAD = "f".repeat(40);
const removal = aDecision({ id: "run-9/removal", kind: "removal", release: aLock().release, lock: aLock() });

const read = <T>(value: T) => ({ type: "read", value }) as const;
const lockOf = (lock = aLock()) => read({ lock, declaredIn: null, configsOmitted: false });
const ABSENT = { type: "absent" } as const;
const BROKEN = { type: "broken", reason: "line 1: no YAML" } as const;

function aTip(overrides: Partial<PlanTip> = {}): PlanTip {
  return {
    commit: HEAD,
    entry: undefined,
    entries: new Map(),
    lock: lockOf(),
    status: read(aStatus()),
    foreignLocks: [],
    targetUndeclared: true,
    landed: null,
    file: () => null,
    original: () => null,
    parse: () => [],
    ...overrides,
  };
}

for (
  const [what, tip, paths] of [
    ["both files", {}, [lockPath("eu", ID), statusPath("eu", ID)]],
    ["the lock alone where it is alone", { status: ABSENT }, [lockPath("eu", ID)]],
    ["a broken status file along with our lock", { status: BROKEN }, [lockPath("eu", ID), statusPath("eu", ID)]],
    ["a status file that was left", { lock: ABSENT }, [statusPath("eu", ID)]],
  ] as const satisfies readonly (readonly [string, Partial<PlanTip>, readonly string[]])[]
) {
  Deno.test(`planDecision() of a removal deletes ${what}`, () => {
    const plan = planDecision(removal, aTip(tip), CLUSTER);
    deepEqual(plan.type === "commit" && plan.edits, paths.map((path) => ({ path, content: null })));
  });
}

Deno.test("planDecision() of a removal says what goes, in words and trailers", () => {
  const plan = planDecision(removal, aTip(), CLUSTER);
  const message = plan.type === "commit" ? plan.message : "";
  match(message, /^Remove the lock of prod\/shop\n/);
  deepEqual(trailerValues(message, "Serin-Decision"), ["removal"]);
  deepEqual(trailerValues(message, "Serin-Run"), ["run-9/removal"]);
});

Deno.test("planDecision() of a removal is done where it landed, or where neither file is there", () => {
  deepEqual(planDecision(removal, aTip({ landed: "e".repeat(40) }), CLUSTER), { type: "done", commit: "e".repeat(40) });
  deepEqual(planDecision(removal, aTip({ lock: ABSENT, status: ABSENT }), CLUSTER), { type: "done", commit: HEAD });
});

Deno.test("planDecision() of a hand-back deletes both files though the target is declared, never under a Canary that is", () => {
  const handBack = { ...removal, id: "run-9/hand-back", kind: "hand-back" } as const;
  const plan = planDecision(handBack, aTip({ targetUndeclared: false }), CLUSTER);
  deepEqual(plan.type === "commit" && plan.edits.map(({ path }) => path), [lockPath("eu", ID), statusPath("eu", ID)]);
  deepEqual(trailerValues(plan.type === "commit" ? plan.message : "", "Serin-Decision"), ["hand-back"]);
  equal(planDecision(handBack, aTip({ entry: broken }), CLUSTER).type, "impossible");
});

const broken = { type: "broken", id: ID, file: "apps/shop.yaml", complaints: [] } as const;
const east = { name: "eu", uid: "another" };

for (
  const [what, tip, reason] of [
    ["the Canary is back, though broken", { entry: broken }, /declared at the tip again/],
    ["the target is back, or may be", { targetUndeclared: false }, /may be declared/],
    ["the lock is another cluster's", { lock: lockOf(aLock({ cluster: east })) }, /another cluster/],
    ["the status file is another cluster's", { lock: ABSENT, status: read(aStatus({ cluster: east })) }, /another/],
    ["the lock cannot be read", { lock: BROKEN }, /no YAML/],
    ["a status file without a lock cannot be read", { lock: ABSENT, status: BROKEN }, /no YAML/],
    ["the lock is not the one that was meant", { lock: lockOf(aLock({ release: releaseAt("2.0.0") })) }, /was changed/],
  ] as const satisfies readonly (readonly [string, Partial<PlanTip>, RegExp])[]
) {
  Deno.test(`planDecision() of a removal is impossible: ${what}`, () => {
    const plan = planDecision(removal, aTip(tip), CLUSTER);
    match(plan.type === "impossible" ? plan.reason : plan.type, reason);
  });
}

Deno.test("a Canary that is declared at the tip keeps its lock whatever its spec says", () => {
  const canary = aCanary({ suspend: true });
  const release = releaseAt("1.0.0");
  const place = { file: "apps/shop.yaml", document: 0, item: null, line: 1 };
  const entry = {
    type: "canary",
    canary,
    release,
    target: { object: release.target, place },
    configs: [],
    warnings: [],
  };
  equal(planDecision(removal, aTip({ entry: { ...entry, type: "canary" } }), CLUSTER).type, "impossible");
});
