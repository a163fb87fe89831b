/** Seeded chance: the same seed gives the same throws, so that a run is told wholly by its seed. */

export interface Dice {
  /** A number in [0, 1). */
  next(): number;
  /** An integer from `low` to `high`, both included. */
  int(low: number, high: number): number;
  chance(probability: number): boolean;
  pick<T>(from: readonly T[]): T;
  /** Other dice whose throws do not depend on how often these are thrown. */
  fork(name: string): Dice;
}

/** Dice by mulberry32 over a seed. */
export function seededDice(seed: number): Dice {
  let state = seed >>> 0;
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }
  function pick<T>(from: readonly T[]): T {
    const found = from[Math.floor(next() * from.length)];
    if (found === undefined) throw new Error("Cannot pick from an empty list");
    return found;
  }
  return {
    next,
    int: (low, high) => low + Math.floor(next() * (high - low + 1)),
    chance: (probability) => next() < probability,
    pick,
    fork: (name) => seededDice(hashed(`${seed}/${name}`)),
  };
}

/** FNV-1a, so that neighbouring seeds do not give alike dice. */
function hashed(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}
