/** Somebody with a clone who commits and pushes to the same branch, again and again. */
import { machineClock } from "../adapters/platform/clock.ts";
import { cloneRepository } from "../src/demo/clone.ts";

const PAUSE_MS = 5;
const PERSON = ["-c", "user.name=Robin", "-c", "user.email=robin@example.com"];

export interface Rival {
  /** Resolves with the number of pushes that landed. */
  stop(): Promise<number>;
}

/** Starts pushing; a push that lost a race is made anew on the tip. */
export async function startRival(url: string, dir: string): Promise<Rival> {
  const clone = await cloneRepository(url, dir);
  const end = new AbortController();
  let pushes = 0;
  const work = async (): Promise<void> => {
    for (let note = 0; !end.signal.aborted; note += 1) {
      await Deno.writeTextFile(`${clone.dir}/notes.txt`, `note ${note}\n`);
      await clone.git("add", ".");
      await clone.git(...PERSON, "commit", "--quiet", "--message", `Note ${note}`);
      const pushed = await clone.git("push", "--quiet", "origin", "HEAD:main").then(() => true, () => false);
      if (pushed) pushes += 1;
      // A pull that fails too is tried again with the next note.
      else await clone.git(...PERSON, "pull", "--quiet", "--rebase", "origin", "main").catch(() => undefined);
      await machineClock.sleep(PAUSE_MS, end.signal).catch(() => undefined);
    }
  };
  const running = work();
  return {
    async stop() {
      end.abort();
      await running;
      return pushes;
    },
  };
}
