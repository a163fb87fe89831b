/** Lets others have the event loop during long work in memory: probes, watches and the Lease must go on. */
import { setImmediate } from "node:timers/promises";

/** Work between two turns of the event loop, as steps: 3 ms on a machine that does nothing else, more on a busy one. */
const STEPS_A_TURN = 1024;
/** So many bytes that are inflated, hashed or copied take as long as one more step. */
const BYTES_A_STEP = 1024;

/** Counts the steps of one piece of work. */
export class Turns {
  #steps = 0;

  /** Says that a step was done, with so many bytes; returns whether it is time for `next`. */
  isDue(bytes: number): boolean {
    this.#steps += 1 + bytes / BYTES_A_STEP;
    return this.#steps >= STEPS_A_TURN;
  }

  /** Waits for a turn of the event loop. */
  async next(): Promise<void> {
    this.#steps = 0;
    await setImmediate();
  }
}
