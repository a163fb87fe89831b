/** Lets others have the event loop during long work in memory: probes, watches and the Lease must go on. */
import { setImmediate } from "node:timers/promises";

/** Steps between two turns of the event loop: about 20 ms of reading objects or trees. */
const STEPS_A_TURN = 512;

/** Counts the steps of one piece of work. */
export class Turns {
  #steps = 0;

  /** Says that so many steps were done; waits for a turn of the event loop when it is time. */
  async taken(steps: number): Promise<void> {
    this.#steps += steps;
    if (this.#steps < STEPS_A_TURN) return;
    this.#steps = 0;
    await setImmediate();
  }
}
