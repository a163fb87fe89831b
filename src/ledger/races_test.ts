/** The writer beside somebody who pushes all the time: long attempts lose every race, short ones get through. */
import assert from "node:assert/strict";
import type { Decision } from "../core/decision.ts";
import type { GitRemote } from "../ports/git.ts";
import { createSource } from "../shell/source.ts";
import { testCapabilities } from "../../test/support/capabilities.ts";
import { aDecision, aLock, CLUSTER } from "../../test/support/ledger_builders.ts";
import { ManualClock } from "../../test/support/manual_clock.ts";
import { MemoryGit } from "../../test/support/memory_git.ts";
import { shopFiles } from "../../test/support/shop_files.ts";
import { createLedger } from "./writer.ts";

const NAMES = Array.from({ length: 40 }, (_, index) => `app-${index}`);
/** Commits that can be made and sent before the rival is there again. */
const GROUP_THAT_WINS = 4;

/** A remote whose branch moves during each push that takes long, which is one of many commits. */
function besideRival(git: MemoryGit): GitRemote {
  const remote = git.connect();
  let notes = 0;
  return {
    url: remote.url,
    branch: remote.branch,
    get tip() {
      return remote.tip;
    },
    fetch: (signal) => remote.fetch(signal),
    at: (commit, signal) => remote.at(commit, signal),
    log: (max, signal) => remote.log(max, signal),
    cannotPush: (signal) => remote.cannotPush(signal),
    push(base, drafts, signal) {
      if (drafts.length > GROUP_THAT_WINS) git.commit({ files: { "notes.txt": `${notes++}\n` } });
      return remote.push(base, drafts, signal);
    },
  };
}

Deno.test("the writer sends fewer at once after a lost race, so that all land beside a busy rival", async () => {
  const git = new MemoryGit(shopFiles("1.0.0", NAMES));
  const clock = new ManualClock();
  const remote = besideRival(git);
  const capabilities = testCapabilities();
  const source = createSource({ name: "main", remote, clock, pollMs: 30_000, paths: [], cluster: "eu", capabilities });
  const author = { name: "Serin", email: "serin@example.com" };
  const ledger = createLedger({ remote, reader: source, cluster: CLUSTER, clock, author, isLeader: () => true });
  const stop = new AbortController();
  const running = ledger.run(stop.signal);
  await source.poll();
  const decisions = NAMES.map((name): Decision => {
    const canary = { namespace: "prod", name };
    const entry = source.view.catalogue?.entries.get(`prod/${name}`);
    if (entry?.type !== "canary") throw new Error(`no canary ${name}`);
    const { release } = entry;
    const id = `run-${name}/initialise`;
    return aDecision({ id, canary, kind: "initialise", release, lock: aLock({ canary, release, decision: id }) });
  });
  for (const decision of decisions) ledger.submit(decision);
  const landed = () => decisions.filter(({ id }) => ledger.outcome(id)?.type === "committed").length;
  for (let second = 0; second < 60 && landed() < NAMES.length; second += 1) await clock.advance(1_000);
  stop.abort();
  await running;
  assert.equal(landed(), NAMES.length, `${landed()} of ${NAMES.length} landed within a minute`);
});
