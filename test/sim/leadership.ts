/**
 * Replicas come, lead, freeze and go. The Lease itself is not played, only what it guarantees: never two that believe
 * in themselves at once, a higher epoch each time, and a gap after a leader that went silent.
 */
import { Process } from "./process.ts";
import type { Fault, Port } from "./process.ts";
import { type Dice } from "./dice.ts";
import { drawFault } from "./mood.ts";
import { type Replica, startReplica, type Told } from "./replica.ts";
import type { World } from "./world.ts";

/** A leader stops believing in itself this long after its last renewal. */
const BELIEF_MS = 12_000;
/** Others take over this long after it. */
const LEASE_MS = 15_000;

export class Leadership {
  readonly #world: World;
  readonly #dice: Dice;
  readonly #told: (told: Told) => void;
  readonly #replicas: Replica[] = [];
  #leader: Replica | null = null;
  #epoch = 0;
  /** Epoch of each replica's own last leadership: what it believes, however old that is. */
  readonly #epochs = new Map<string, number>();
  #names = 0;

  constructor(world: World, told: (told: Told) => void) {
    this.#world = world;
    this.#dice = world.dice.fork("leadership");
    this.#told = told;
  }

  get leader(): Replica | null {
    return this.#leader;
  }

  get epoch(): number {
    return this.#epoch;
  }

  /** Somebody is frozen, and will wake up with what it wanted to do long ago. */
  get isFrozen(): boolean {
    return this.#alive().some(({ process }) => process.isFrozen);
  }

  start(): void {
    this.#lead(this.#spawn());
  }

  /** Makes sure that somebody else could take over. */
  standBy(): void {
    if (this.#alive().length < 2) this.#spawn();
  }

  /** The leader could not renew, and does not believe in itself any more; somebody takes over later. */
  loseLease(): void {
    if (this.#leader === null) return;
    this.#world.trace("lease", `${this.#leader.process.name} loses it`);
    this.#leader = null;
    this.#electIn(this.#dice.int(500, LEASE_MS - BELIEF_MS + 5_000));
  }

  #alive(): readonly Replica[] {
    return this.#replicas.filter(({ process }) => !process.isDead);
  }

  #spawn(): Replica {
    const { timeline, trace } = this.#world;
    const name = `serin-${++this.#names}`;
    const process: Process = new Process({
      name,
      timeline,
      dice: this.#dice.fork(name),
      faultOf: (_process, port, what) => this.#faultOf(port, what),
      trace,
      killed: (dead) => this.#killed(dead),
      frozen: (cold, ms) => this.#frozen(cold, ms),
    });
    trace(name, "starts");
    const replica: Replica = startReplica({
      world: this.#world,
      process,
      dice: this.#dice.fork(`${name}/agent`),
      election: {
        isLeader: () => this.#leader === replica,
        epoch: () => this.#epochs.get(name) ?? 0,
      },
      told: this.#told,
    });
    this.#replicas.push(replica);
    return replica;
  }

  #faultOf(port: Port, _what: string): Fault {
    if (port !== "git-read") this.#world.calls += 1;
    return drawFault(this.#world.mood, port, this.#dice);
  }

  #killed(process: Process): void {
    this.#world.trace("fault", `${process.name} is killed`);
    const led = this.#leader?.process === process;
    this.#replicas.splice(this.#replicas.findIndex((replica) => replica.process === process), 1);
    if (led) this.#leader = null;
    this.#world.timeline.after(this.#dice.int(500, 6_000), () => {
      if (this.#alive().length < (this.#world.mood.standby ? 2 : 1)) this.#spawn();
      if (led) this.#electIn(this.#dice.int(0, LEASE_MS));
    });
  }

  #frozen(process: Process, ms: number): void {
    this.#world.trace("fault", `${process.name} freezes for ${ms} ms`);
    if (this.#leader?.process !== process || ms < BELIEF_MS) return;
    this.#world.timeline.after(BELIEF_MS, () => {
      if (this.#leader?.process !== process) return;
      this.#leader = null;
      if (this.#alive().every((replica) => replica.process.isFrozen)) this.#spawn();
      this.#electIn(LEASE_MS - BELIEF_MS);
    });
  }

  #electIn(ms: number): void {
    this.#world.timeline.after(ms, () => {
      if (this.#leader !== null) return;
      const ready = this.#alive().filter(({ process }) => !process.isFrozen);
      if (ready.length === 0) {
        if (this.#alive().length === 0) this.#spawn();
        return this.#electIn(1_000);
      }
      this.#lead(this.#dice.pick(ready));
    });
  }

  #lead(replica: Replica): void {
    this.#epoch += 1;
    this.#epochs.set(replica.process.name, this.#epoch);
    this.#leader = replica;
    this.#world.trace("lease", `${replica.process.name} leads, epoch ${this.#epoch}`);
    replica.lead();
  }
}
