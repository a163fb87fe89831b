/** The writer against a Git server in memory: what the repository says afterwards, whatever happened on the way. */
import assert from "node:assert/strict";
import { canaryKey } from "../core/canary.ts";
import type { Decision } from "../core/decision.ts";
import type { Release } from "../core/release.ts";
import type { Snapshot } from "../ports/git.ts";
import { aDecision, aLock, CLUSTER } from "../../test/support/ledger_builders.ts";
import {
  AUTHOR,
  initialise,
  inWorld,
  promote,
  reader,
  revert,
  withBump,
  type World,
} from "../../test/support/ledger_world.ts";
import { ManualClock } from "../../test/support/manual_clock.ts";
import { MemoryGit } from "../../test/support/memory_git.ts";
import { deploymentFile, shopFiles } from "../../test/support/shop_files.ts";
import type { ManifestReader } from "./tip.ts";
import { trailerValues } from "./trailers.ts";
import { createLedger } from "./writer.ts";

Deno.test("the writer commits the first lock, a promotion, and a revert that gives the manifest back to the byte", async () => {
  await inWorld(async (world) => {
    const { good, bad } = await withBump(world);
    world.ledger.submit(revert(bad, good));
    const outcome = await world.settled("run-1/revert");
    assert.deepEqual(outcome, { type: "committed", commit: world.git.head });
    assert.deepEqual(world.subjects(), [
      "Revert prod/shop to shop:1.0.0",
      "Bump",
      "Initialise prod/shop at shop:1.0.0",
      "Start",
    ]);
    assert.equal(world.git.text("apps/shop/deployment.yaml"), deploymentFile("1.0.0"));
    assert.equal(world.lockedTag(), "1.0.0");
    world.git.commit({ files: { "apps/shop/deployment.yaml": deploymentFile("1.2.0") } });
    world.ledger.submit(promote(await world.release()));
    assert.equal((await world.settled("run-1/promotion")).type, "committed");
    assert.equal(world.lockedTag(), "1.2.0");
    const [commit] = world.git.log();
    assert.deepEqual(commit?.author, { ...AUTHOR, timeMs: promote(good).at });
  });
});

Deno.test("the writer pushes what waits in one go, each decision as its own commit", async () => {
  const names = Array.from({ length: 60 }, (_, index) => `app-${index}`);
  await inWorld(async (world) => {
    const decisions: Decision[] = [];
    for (const name of names) decisions.push(initialise(await world.release(name), name));
    for (const decision of decisions) world.ledger.submit(decision);
    for (const name of names) assert.equal((await world.settled(`run-0-${name}/initialise`)).type, "committed");
    assert.equal(world.git.log().length, 61);
    assert.ok(world.git.pushes <= 3, `${world.git.pushes} pushes`);
    const commits = new Set(names.map((name) => {
      const outcome = world.ledger.outcome(`run-0-${name}/initialise`);
      return outcome?.type === "committed" ? outcome.commit : "";
    }));
    assert.equal(commits.size, 60);
  }, shopFiles("1.0.0", names));
});

Deno.test("the writer reverts two canaries in one file with one push, each in its own commit", async () => {
  const file = (tag: string) => `${deploymentFile(tag, "one")}---\n${deploymentFile(tag, "two")}`;
  const { "apps/one/canary.yaml": one = "", "apps/two/canary.yaml": two = "" } = shopFiles("1", ["one", "two"]);
  await inWorld(async (world) => {
    const good = { one: await world.release("one"), two: await world.release("two") };
    for (const name of ["one", "two"] as const) world.ledger.submit(initialise(good[name], name));
    await world.settled("run-0-two/initialise");
    world.git.commit({ files: { "all.yaml": file("2") } });
    const pushes = world.git.pushes;
    const decisions: Decision[] = [];
    for (const name of ["one", "two"] as const) {
      const canary = { namespace: "prod", name };
      const lock = aLock({ canary, release: good[name] });
      const decision = revert(await world.release(name), good[name]);
      decisions.push({ ...decision, id: `run-${name}/revert`, canary, lock });
    }
    for (const decision of decisions) world.ledger.submit(decision);
    await world.settled("run-one/revert");
    await world.settled("run-two/revert");
    assert.equal(world.git.text("all.yaml"), file("1"));
    assert.equal(world.git.pushes, pushes + 1);
    const [, first] = world.git.log();
    assert.equal(world.git.text("all.yaml", first?.oid), file("2").replace("one:2", "one:1"));
  }, { "apps/one.yaml": one, "apps/two.yaml": two, "all.yaml": file("1") });
});

Deno.test("the writer plans again after a lost race, and keeps what the other one pushed", async () => {
  await inWorld(async (world) => {
    const { good, bad } = await withBump(world);
    const act = () =>
      void world.git.commit({ files: { "apps/shop/deployment.yaml": `# new\n${deploymentFile("1.1.0")}` } });
    world.git.fault({ on: "push", type: "before", act });
    world.ledger.submit(revert(bad, good));
    await world.until("it sleeps before the next attempt", () => world.clock.sleeping > 0);
    await world.clock.advance(5_000);
    assert.equal((await world.settled("run-1/revert")).type, "committed");
    assert.equal(world.git.text("apps/shop/deployment.yaml"), `# new\n${deploymentFile("1.0.0")}`);
  });
});

Deno.test("the writer gives a promotion up when a race brings a newer release", async () => {
  await inWorld(async (world) => {
    const { bad } = await withBump(world);
    const act = () => void world.git.commit({ files: { "apps/shop/deployment.yaml": deploymentFile("1.2.0") } });
    world.git.fault({ on: "push", type: "before", act });
    world.ledger.submit(promote(bad));
    await world.until("it sleeps before the next attempt", () => world.clock.sleeping > 0);
    await world.clock.advance(5_000);
    const outcome = await world.settled("run-1/promotion");
    assert.match(outcome.type === "impossible" ? outcome.reason : outcome.type, /^Superseded: .*shop:1\.2\.0/);
    assert.equal(world.lockedTag(), "1.0.0");
  });
});

Deno.test("the writer loses at most eight races in a row, says so, and goes on later", async () => {
  await inWorld(async (world) => {
    const { bad } = await withBump(world);
    const pushes = world.git.pushes;
    let rival = 0;
    const act = () => void world.git.commit({ files: { "README.md": `${rival++}\n` } });
    for (let race = 0; race < 8; race++) world.git.fault({ on: "push", type: "before", act });
    world.ledger.submit(promote(bad));
    const reason = () => {
      const outcome = world.ledger.outcome("run-1/promotion");
      return outcome?.type === "pending" ? outcome.reason : null;
    };
    for (let turn = 0; turn < 100 && reason() === null; turn++) await world.clock.advance(200);
    assert.match(reason() ?? "", /^Lost 8 races/);
    assert.equal(world.git.pushes - pushes, 8);
    await world.clock.advance(6_000);
    assert.equal((await world.settled("run-1/promotion")).type, "committed");
  });
});

Deno.test("the writer keeps a refused push pending with the server's reason, and tries again within two minutes", async () => {
  await inWorld(async (world) => {
    const { bad } = await withBump(world);
    world.git.fault({ on: "push", type: "refused", reason: "protected branch" });
    world.ledger.submit(promote(bad));
    await world.pending("run-1/promotion", /^The push was refused: protected branch$/);
    const pushes = world.git.pushes;
    await world.clock.advance(40_000);
    assert.equal(world.git.pushes, pushes);
    await world.clock.advance(40_000);
    assert.equal((await world.settled("run-1/promotion")).type, "committed");
  });
});

Deno.test("the writer pushes one by one when a group is refused, so that one commit does not block the rest", async () => {
  const names = ["one", "two", "three"];
  await inWorld(async (world) => {
    const refused = { on: "push", type: "refused", reason: "hook" } as const;
    world.git.fault(refused, refused);
    const decisions: Decision[] = [];
    for (const name of names) decisions.push(initialise(await world.release(name), name));
    for (const decision of decisions) world.ledger.submit(decision);
    await world.pending("run-0-one/initialise", /hook/);
    for (let minute = 0; minute < 3; minute++) await world.clock.advance(80_000);
    for (const name of names) assert.equal((await world.settled(`run-0-${name}/initialise`)).type, "committed");
  }, shopFiles("1.0.0", names));
});

for (const on of ["fetch", "push", "log"] as const) {
  Deno.test(`the writer waits longer each time while Git is down, up to a minute: ${on}`, async () => {
    await inWorld(async (world) => {
      const { bad } = await withBump(world);
      for (let time = 0; time < 10; time++) world.git.fault({ on, type: "unavailable" });
      world.ledger.submit(promote(bad));
      await world.pending("run-1/promotion", /no answer/);
      await world.clock.advance(5 * 60_000);
      const outcome = world.ledger.outcome("run-1/promotion");
      const attempts = outcome?.type === "pending" ? outcome.attempts : 0;
      assert.ok(attempts >= 8 && attempts < 12, `${JSON.stringify(outcome)}`);
      await world.clock.advance(10 * 60_000);
      assert.equal((await world.settled("run-1/promotion")).type, "committed");
    });
  });
}

Deno.test("the writer waits as long as the server asks", async () => {
  await inWorld(async (world) => {
    const { bad } = await withBump(world);
    world.git.fault({ on: "fetch", type: "unavailable", retryAfterMs: 120_000 });
    world.ledger.submit(promote(bad));
    await world.pending("run-1/promotion", /no answer/);
    await world.clock.advance(119_000);
    assert.equal(world.ledger.outcome("run-1/promotion")?.type, "pending");
    await world.clock.advance(2_000);
    assert.equal((await world.settled("run-1/promotion")).type, "committed");
  });
});

Deno.test("the writer finds at the tip what landed without an answer, and writes nothing twice", async () => {
  await inWorld(async (world) => {
    const { bad } = await withBump(world);
    world.git.fault({ on: "push", type: "answer-lost" });
    world.ledger.submit(promote(bad));
    await world.pending("run-1/promotion", /Cannot tell whether the push landed/);
    const head = world.git.head;
    await world.clock.advance(10_000);
    assert.deepEqual(await world.settled("run-1/promotion"), { type: "committed", commit: head });
    assert.equal(world.git.head, head);
  });
});

Deno.test("the writer does not decide twice after a restart, also when a later decision stands in the status file", async () => {
  await inWorld(async (world) => {
    const { good, bad } = await withBump(world);
    world.git.fault({ on: "push", type: "answer-lost" });
    world.ledger.submit(promote(bad));
    await world.pending("run-1/promotion", /Cannot tell/);
    const landed = world.git.head;
    await world.restart();
    world.ledger.submit(promote(bad));
    assert.deepEqual(await world.settled("run-1/promotion"), { type: "committed", commit: landed });
    world.ledger.submit({ ...revert(bad, good), id: "run-2/rollback", kind: "rollback" });
    assert.equal((await world.settled("run-2/rollback")).type, "committed");
    const head = world.git.head;
    await world.restart();
    world.ledger.submit(promote(bad));
    assert.deepEqual(await world.settled("run-1/promotion"), { type: "committed", commit: landed });
    assert.equal(world.git.head, head);
    assert.equal(world.lockedTag(), "1.0.0");
  });
});

Deno.test("the writer never pushes while it is not the leader", async () => {
  await inWorld(async (world) => {
    const { bad } = await withBump(world);
    const pushes = world.git.pushes;
    world.leader = false;
    world.ledger.submit(promote(bad));
    await world.pending("run-1/promotion", /not the leader/);
    await world.clock.advance(60_000);
    assert.equal(world.git.pushes, pushes);
    world.leader = true;
    await world.clock.advance(6_000);
    assert.equal((await world.settled("run-1/promotion")).type, "committed");
  });
});

Deno.test("the writer stops being the leader between fetch and push: nothing is pushed", async () => {
  await inWorld(async (world) => {
    const { bad } = await withBump(world);
    const pushes = world.git.pushes;
    world.git.fault({ on: "fetch", type: "before", act: () => void (world.leader = false) });
    world.ledger.submit(promote(bad));
    await world.pending("run-1/promotion", /not the leader/);
    assert.equal(world.git.pushes, pushes);
  });
});

Deno.test("submit() of the same id is the same decision", async () => {
  await inWorld(async (world) => {
    const { bad } = await withBump(world);
    for (let time = 0; time < 3; time++) world.ledger.submit(promote(bad));
    await world.settled("run-1/promotion");
    world.ledger.submit(promote(bad));
    await world.clock.advance(1000);
    assert.equal(world.subjects().filter((subject) => subject.startsWith("Promote")).length, 1);
  });
});

Deno.test("decisions of one canary are written in the order in which they came", async () => {
  await inWorld(async (world) => {
    const { good, bad } = await withBump(world);
    world.ledger.submit(promote(bad));
    world.ledger.submit({ ...revert(bad, good), id: "run-1/withdrawal", kind: "withdrawal" });
    await world.settled("run-1/withdrawal");
    assert.deepEqual(world.subjects().slice(0, 2), [
      "Withdraw shop:1.1.0 of prod/shop, back to shop:1.0.0",
      "Promote prod/shop to shop:1.1.0",
    ]);
    assert.equal(world.lockedTag(), "1.0.0");
    assert.equal(world.git.text("apps/shop/deployment.yaml"), deploymentFile("1.0.0"));
  });
});

Deno.test("withdraw() drops what has not landed, and it can be submitted again", async () => {
  await inWorld(async (world) => {
    const { bad } = await withBump(world);
    const head = world.git.head;
    world.git.fault({ on: "fetch", type: "unavailable" });
    world.ledger.submit(promote(bad));
    await world.pending("run-1/promotion", /no answer/);
    assert.equal((await world.ledger.withdraw("run-1/promotion")).type, "pending");
    assert.equal(world.ledger.outcome("run-1/promotion"), undefined);
    await world.clock.advance(120_000);
    assert.equal(world.git.head, head);
    world.ledger.submit(promote(bad));
    assert.equal((await world.settled("run-1/promotion")).type, "committed");
  });
});

Deno.test("withdraw() of what landed says so, also when the answer was lost", async () => {
  await inWorld(async (world) => {
    const { bad } = await withBump(world);
    world.git.fault({ on: "push", type: "answer-lost" });
    world.ledger.submit(promote(bad));
    await world.pending("run-1/promotion", /Cannot tell/);
    const withdrawn = world.ledger.withdraw("run-1/promotion");
    await world.clock.advance(1000);
    assert.deepEqual(await withdrawn, { type: "committed", commit: world.git.head });
    assert.deepEqual(await world.ledger.withdraw("run-1/promotion"), { type: "committed", commit: world.git.head });
  });
});

Deno.test("withdraw() in doubt waits for a look at the tip, and drops what did not land", async () => {
  await inWorld(async (world) => {
    const { bad } = await withBump(world);
    const head = world.git.head;
    world.git.fault({ on: "push", type: "unavailable" }, { on: "fetch", type: "unavailable" });
    world.ledger.submit(promote(bad));
    // The queued fetch fault meets the first fetch; the push fault the second turn.
    await world.clock.advance(1_500);
    await world.pending("run-1/promotion", /Cannot push/);
    const withdrawn = world.ledger.withdraw("run-1/promotion");
    await world.clock.advance(1_000);
    assert.equal((await withdrawn).type, "pending");
    await world.clock.advance(120_000);
    assert.equal(world.git.head, head);
  });
});

Deno.test("a commit asks for the earlier commit only where values do not do, and refuses where it is gone", async () => {
  await inWorld(async (world) => {
    const { good } = await withBump(world);
    const more = deploymentFile("1.1.0").replace("      containers:", "      hostname: x\n      containers:");
    world.git.commit({ files: { "apps/shop/deployment.yaml": more } });
    world.git.fault({ on: "at", type: "unavailable" });
    world.ledger.submit(revert(await world.release(), good));
    await world.pending("run-1/revert", /Cannot at: no answer/);
    await world.clock.advance(5_000);
    assert.equal((await world.settled("run-1/revert")).type, "committed");
    assert.equal(world.git.text("apps/shop/deployment.yaml"), deploymentFile("1.0.0"));
    world.git.commit({ files: { "apps/shop/deployment.yaml": more } });
    world.git.forget(good.commit);
    world.ledger.submit({ ...revert(await world.release(), good), id: "run-2/revert" });
    const outcome = await world.settled("run-2/revert");
    assert.match(outcome.type === "impossible" ? outcome.reason : outcome.type, /the shape of the manifest changed/);
  });
});

Deno.test("what can be put back of an impossible revert is offered as a branch, once, and the decision is the same without it", async () => {
  const settings = (text: string) =>
    `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: prod}\n${text}`;
  const withSettings = (tag: string) =>
    deploymentFile(tag).replace(
      "          ports:",
      "          envFrom: [{configMapRef: {name: settings}}]\n          ports:",
    );
  const path = "apps/shop/deployment.yaml";
  const files = {
    ...shopFiles("1.0.0"),
    [path]: withSettings("1.0.0"),
    "apps/shop/settings.yaml": settings("data: {a: b}\n"),
  };
  await inWorld(async (world) => {
    const good = await world.release();
    world.ledger.submit(initialise(good));
    await world.settled("run-0-shop/initialise");
    const sealed = settings('data: {a: "ENC[AES256_GCM,data:b]"}\nsops: {mac: "ENC[AES256_GCM,data:c]"}\n');
    const tip = world.git.commit({ files: { [path]: withSettings("1.1.0"), "apps/shop/settings.yaml": sealed } });
    const bad = await world.release();
    const branch = `serin/revert/prod/shop/${bad.revision}`;
    const reasonOf = async (id: string): Promise<string> => {
      world.ledger.submit({ ...revert(bad, good), id });
      const outcome = await world.settled(id);
      return outcome.type === "impossible" ? outcome.reason : outcome.type;
    };
    world.git.fault({ on: "push", type: "refused", reason: "no new branches" });
    const alone = await reasonOf("run-1/revert");
    assert.match(alone, /"apps\/shop\/settings\.yaml": it is encrypted with SOPS$/);
    for (const id of ["run-2/revert", "run-3/revert"]) {
      assert.equal(await reasonOf(id), `${alone}; what could be put back is offered as branch "${branch}"`);
    }
    const offered = world.git.offered(branch) ?? "";
    assert.equal(world.git.text(path, offered), withSettings("1.0.0"));
    assert.equal(world.git.text("apps/shop/settings.yaml", offered), sealed);
    const [commit, base] = world.git.log(2, offered);
    assert.equal(base?.oid, tip);
    assert.match(commit?.message ?? "", /^Put prod\/shop back to shop:1\.0\.0, as far as it goes\n/);
    assert.deepEqual(trailerValues(commit?.message ?? "", "Serin-Run"), []);
    assert.equal(world.git.head, tip, "the branch itself is left alone");
  }, files);
});

Deno.test("onOutcome() hears of every change, and of the end once", async () => {
  await inWorld(async (world) => {
    const { bad } = await withBump(world);
    world.heard.length = 0;
    world.git.fault({ on: "push", type: "refused", reason: "no" });
    world.ledger.submit(promote(bad));
    await world.pending("run-1/promotion", /refused/);
    await world.clock.advance(80_000);
    await world.settled("run-1/promotion");
    assert.deepEqual(world.heard.map(({ type }) => type), ["pending", "committed"]);
  });
});

Deno.test("a mistake of ours in one plan stops that decision, and no other one", async () => {
  const git = new MemoryGit(shopFiles("1.0.0", ["one", "two"]));
  const clock = new ManualClock();
  const remote = git.connect();
  const broken: ManifestReader = {
    ...reader,
    async catalogue(snapshot: Snapshot) {
      const catalogue = await reader.catalogue(snapshot);
      const { entries } = catalogue;
      // A release without its target makes planning fail.
      const wrong = new Map(
        [...entries].map((
          [key, entry],
        ) => [key, key === "prod/one" ? { ...entry, release: null, target: null } : entry]),
      );
      return { ...catalogue, entries: wrong as unknown as typeof entries };
    },
  };
  const ledger = createLedger({
    remote,
    reader: broken,
    cluster: CLUSTER,
    clock,
    author: AUTHOR,
    isLeader: () => true,
  });
  const stop = new AbortController();
  const running = ledger.run(stop.signal);
  const { entries } = await reader.catalogue(await git.connect().fetch());
  for (const name of ["one", "two"]) {
    const entry = entries.get(canaryKey({ namespace: "prod", name }));
    if (entry?.type !== "canary") throw new Error("no canary");
    ledger.submit(initialise(entry.release, name));
  }
  for (let turn = 0; turn < 50; turn++) await clock.advance(0);
  const outcome = ledger.outcome("run-0-one/initialise");
  assert.match(outcome?.type === "pending" ? outcome.reason ?? "" : "", /^Cannot plan: /);
  assert.equal(ledger.outcome("run-0-two/initialise")?.type, "committed");
  stop.abort();
  await running;
});

/** The decision that takes a lock out of Git, of what `initialise` wrote. */
function remove(release: Release, id = "run-9/removal"): Decision {
  const lock = aLock({ release, decision: "run-0-shop/initialise" });
  return aDecision({ id, kind: "removal", release, lock, reason: "Gone" });
}

const SHOP_FILES = Object.keys(shopFiles("1.0.0"));
/** Without which the tip would declare nothing at all. */
const OTHER = { "apps/other.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other, namespace: prod}\n" };

/** With the first lock written, and all of the shop gone from Git after it. */
async function withoutShop(world: World): Promise<Release> {
  const good = await world.release();
  world.ledger.submit(initialise(good));
  assert.equal((await world.settled("run-0-shop/initialise")).type, "committed");
  const gone = Object.fromEntries(SHOP_FILES.map((path) => [path, null]));
  world.git.commit({ files: { ...gone, ...OTHER }, message: "Remove the shop\n" });
  return good;
}

Deno.test("the writer removes lock and status once Canary and target left Git, also after a restart only once", async () => {
  await inWorld(async (world) => {
    const good = await withoutShop(world);
    world.ledger.submit(remove(good));
    assert.deepEqual(await world.settled("run-9/removal"), { type: "committed", commit: world.git.head });
    for (const file of ["primary", "status"]) {
      assert.equal(world.git.text(`.serin/eu/prod/shop/${file}.yaml`), undefined);
    }
    const { head } = world.git;
    await world.restart();
    world.ledger.submit(remove(good));
    assert.deepEqual(await world.settled("run-9/removal"), { type: "committed", commit: head });
    assert.equal(world.git.head, head);
  });
});

Deno.test("the writer keeps the lock where a race brings the Canary or its target back", async () => {
  for (const path of SHOP_FILES) {
    await inWorld(async (world) => {
      const good = await withoutShop(world);
      const content = shopFiles("1.0.0")[path] ?? "";
      const act = () => void world.git.commit({ files: { [path]: content }, message: "Bring it back\n" });
      world.git.fault({ on: "push", type: "before", act });
      world.ledger.submit(remove(good));
      await world.until("it sleeps before the next attempt", () => world.clock.sleeping > 0);
      await world.clock.advance(5_000);
      assert.equal((await world.settled("run-9/removal")).type, "impossible");
      assert.equal(world.lockedTag(), "1.0.0");
    });
  }
});
