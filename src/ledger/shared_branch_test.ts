/** Several sources before one writer: one catalogue, and to each its own outcomes. */
import { deepEqual, equal } from "node:assert/strict";
import { testCapabilities } from "../../test/support/capabilities.ts";
import { aDecision, aLock, CLUSTER } from "../../test/support/ledger_builders.ts";
import { ManualClock } from "../../test/support/manual_clock.ts";
import { MemoryGit } from "../../test/support/memory_git.ts";
import { shopFiles } from "../../test/support/shop_files.ts";
import type { Decision } from "../core/decision.ts";
import type { GitRemote } from "../ports/git.ts";
import { createSource, type RunningSource } from "../shell/source.ts";
import { readersAsOne, shareOf } from "./shared_branch.ts";
import { trailerValues } from "./trailers.ts";
import { createLedger } from "./writer.ts";

const AUTHOR = { name: "Serin", email: "serin@example.com" };

function initialise(source: RunningSource, name: string): Decision {
  const canary = { namespace: "prod", name };
  const entry = source.view.catalogue?.entries.get(`prod/${name}`);
  if (entry?.type !== "canary") throw new Error(`no canary ${name}`);
  const { release } = entry;
  const id = `run-${name}/initialise`;
  return aDecision({ id, canary, kind: "initialise", release, lock: aLock({ canary, release, decision: id }) });
}

/** The remote, with how many commits each push brought. */
function telling(remote: GitRemote, pushes: number[]): GitRemote {
  return {
    ...remoteParts(remote),
    get tip() {
      return remote.tip;
    },
    async push(base, drafts, signal) {
      const result = await remote.push(base, drafts, signal);
      if (result.type === "pushed") pushes.push(result.commits.length);
      return result;
    },
  };
}

function remoteParts(remote: GitRemote): Omit<GitRemote, "tip" | "push"> {
  return {
    url: remote.url,
    branch: remote.branch,
    fetch: (signal) => remote.fetch(signal),
    at: (commit, signal) => remote.at(commit, signal),
    log: (max, signal) => remote.log(max, signal),
    cannotPush: (signal) => remote.cannotPush(signal),
  };
}

Deno.test("two sources of one branch: decisions of both go out in one push, and each hears of its own", async () => {
  const git = new MemoryGit(shopFiles("1.0.0", ["one", "two"]));
  const clock = new ManualClock();
  const pushes: number[] = [];
  const remote = telling(git.connect(), pushes);
  const sourceOf = (name: string) =>
    createSource({
      name,
      remote,
      clock,
      pollMs: 30_000,
      paths: [`apps/${name}`],
      cluster: "eu",
      capabilities: testCapabilities(),
    });
  const [one, two] = [sourceOf("one"), sourceOf("two")];
  const reader = readersAsOne([one, two]);
  const ledger = createLedger({ remote, reader, cluster: CLUSTER, clock, author: AUTHOR, isLeader: () => true });
  const shares = [shareOf(ledger), shareOf(ledger)] as const;
  const heard: string[] = [];
  shares.forEach((share, index) => share.onOutcome(({ id }, { type }) => heard.push(`${index} ${id} ${type}`)));
  await one.poll();
  await two.poll();
  deepEqual([...one.view.catalogue?.entries.keys() ?? []], ["prod/one"]);
  shares[0].submit(initialise(one, "one"));
  shares[1].submit(initialise(two, "two"));
  const stop = new AbortController();
  const running = ledger.run(stop.signal);
  await clock.advance(1_000);
  stop.abort();
  await running;
  deepEqual(heard, ["0 run-one/initialise committed", "1 run-two/initialise committed"]);
  equal(shares[1].outcome("run-one/initialise")?.type, "committed");
  const runs = git.log(10).flatMap(({ message }) => trailerValues(message, "Serin-Run"));
  deepEqual(runs.sort(), ["run-one/initialise", "run-two/initialise"]);
  deepEqual(pushes, [2]);
});

Deno.test("readersAsOne() sees all, and says when one of them is past the snapshot", async () => {
  const git = new MemoryGit(shopFiles("1.0.0", ["one", "two"]));
  const remote = git.connect();
  const clock = new ManualClock();
  const options = { remote, clock, pollMs: 30_000, cluster: "eu", capabilities: testCapabilities() };
  const one = createSource({ ...options, name: "one", paths: ["apps/one"] });
  const two = createSource({ ...options, name: "two", paths: ["apps/two"] });
  const reader = readersAsOne([one, two]);
  const snapshot = await remote.fetch();
  const whole = await reader.catalogue(snapshot);
  deepEqual([...whole.entries.keys()].sort(), ["prod/one", "prod/two"]);
  equal(whole.manifests.size, 4);
  equal(await reader.catalogue(snapshot), whole, "the same as long as nothing moved");
  git.commit({ files: { "notes.txt": "1" } });
  await two.poll();
  equal((await reader.catalogue(snapshot)).commit === snapshot.commit, false);
});
