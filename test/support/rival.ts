/** Somebody with a clone who commits and pushes to the same branch, again and again, with stock git. */
import { machineClock } from "../../adapters/platform/clock.ts";
import { cloneRepository } from "../../src/demo/clone.ts";

const PERSON = ["-c", "user.name=Robin", "-c", "user.email=robin@example.com"];

export interface Rival {
  /** Stops; the commits that landed, oldest first. */
  stop(): Promise<readonly string[]>;
}

/**
 * Starts pushing; a push that lost a race is made anew on the tip.
 *
 * @param everyMs time from one push to the next, as far as git is that fast
 */
export async function startRival(url: string, dir: string, everyMs: number): Promise<Rival> {
  const clone = await cloneRepository(url, dir);
  const end = new AbortController();
  const landed: string[] = [];
  const work = async (): Promise<void> => {
    for (let note = 0; !end.signal.aborted; note += 1) {
      const startedAt = machineClock.monotonic();
      await Deno.writeTextFile(`${clone.dir}/notes.txt`, `note ${note}\n`);
      await clone.git("add", "notes.txt");
      await clone.git(...PERSON, "commit", "--quiet", "--message", `Note ${note}`);
      const isPushed = await clone.git("push", "--quiet", "origin", "HEAD:main").then(() => true, () => false);
      if (isPushed) landed.push((await clone.git("rev-parse", "HEAD")).trim());
      // A pull that fails too is tried again with the next note.
      else await clone.git(...PERSON, "pull", "--quiet", "--rebase", "origin", "main").catch(() => undefined);
      const restMs = Math.max(5, startedAt + everyMs - machineClock.monotonic());
      await machineClock.sleep(restMs, end.signal).catch(() => undefined);
    }
  };
  const running = work();
  return {
    async stop() {
      end.abort();
      await running;
      return landed;
    },
  };
}
