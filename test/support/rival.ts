/**
 * Somebody with a clone who commits and pushes to the same branch, again and again, with stock git. Each commit is made
 * ahead, by plumbing in a bare clone, so that a push begins when it is due and takes what git takes, and no longer.
 */
import { machineClock } from "../../adapters/platform/clock.ts";
import { runGit } from "../../src/demo/clone.ts";
import { branchTip, commitFiles } from "../../src/sandbox/git/repository.ts";

const PERSON = { name: "Robin", email: "robin@example.com" };

/** What came of somebody's pushes. */
export interface RivalPushes {
  /** Commits that landed, oldest first, one a push. */
  readonly landed: readonly string[];
  /** Pushes that lost a race. */
  readonly refused: number;
}

export interface Rival {
  /** Stops; what came of it. */
  stop(): Promise<RivalPushes>;
}

/**
 * Starts pushing. After a push that lost a race the branch is fetched, the commit made anew on it and pushed at once, as
 * `git pull --rebase && git push` does.
 *
 * @param everyMs time from one commit's push to the next one's, as far as git is that fast
 */
export async function startRival(url: string, dir: string, everyMs: number): Promise<Rival> {
  await runGit(".", ["clone", "--quiet", "--bare", url, dir]);
  const end = new AbortController();
  const landed: string[] = [];
  let refused = 0;
  const commit = (note: number): Promise<string> => {
    const files = { "notes.txt": `note ${note}\n` };
    return commitFiles(dir, files, { message: `Note ${note}`, author: PERSON, timeMs: machineClock.now() });
  };
  const push = (): Promise<boolean> => runGit(dir, ["push", "--quiet", url, "main:main"]).then(() => true, () => false);
  /** Until it landed, or the end. */
  const land = async (note: number, made: string): Promise<void> => {
    for (let oid = made; !end.signal.aborted;) {
      if (await push()) return void landed.push(oid);
      refused += 1;
      await runGit(dir, ["fetch", "--quiet", url, "+main:main"]);
      // A push that was told to have failed, and landed all the same, is not made twice.
      if (await branchTip(dir, "main") === oid) return void landed.push(oid);
      oid = await commit(note);
    }
  };
  const work = async (): Promise<void> => {
    for (let note = 0, oid = await commit(0); !end.signal.aborted; oid = await commit(note += 1)) {
      const startedAt = machineClock.monotonic();
      await land(note, oid);
      const restMs = Math.max(5, startedAt + everyMs - machineClock.monotonic());
      await machineClock.sleep(restMs, end.signal).catch(() => undefined);
    }
  };
  const running = work();
  // Told to whoever stops it.
  running.catch(() => undefined);
  return {
    async stop() {
      end.abort();
      await running;
      return { landed, refused };
    },
  };
}
