/** How a world treats its agent: which faults come how often. Drawn once a world, from its seed. */
import type { Dice } from "./dice.ts";
import type { Fault, Port } from "./process.ts";

export interface Mood {
  /** Chance of each fault at each call; everything else goes well. */
  readonly chances: Readonly<Record<Exclude<Fault, "none">, number>>;
  /** Longest time that a watch event takes, milliseconds. */
  readonly lagMs: number;
  readonly gitOutages: boolean;
  readonly metricsOutages: boolean;
  readonly gateOutages: boolean;
  readonly lostLeases: boolean;
  readonly standby: boolean;
  readonly people: boolean;
  readonly podTrouble: boolean;
}

export const CALM: Mood = {
  chances: {
    "kill-before": 0,
    "kill-after": 0,
    "freeze-before": 0,
    "freeze-after": 0,
    "error-before": 0,
    "error-after": 0,
    conflict: 0,
    slow: 0,
  },
  lagMs: 50,
  gitOutages: false,
  metricsOutages: false,
  gateOutages: false,
  lostLeases: false,
  standby: false,
  people: false,
  podTrouble: false,
};

export function drawMood(dice: Dice): Mood {
  if (dice.chance(0.2)) return CALM;
  const storm = dice.chance(0.25) ? 4 : 1;
  const often = (probability: number): number => dice.chance(0.4) ? probability * storm : 0;
  const kills = often(0.02);
  const freezes = often(0.02);
  const errors = often(0.03);
  return {
    chances: {
      "kill-before": kills,
      "kill-after": kills,
      "freeze-before": freezes,
      "freeze-after": freezes,
      "error-before": errors,
      "error-after": errors,
      conflict: often(0.02),
      slow: often(0.02),
    },
    lagMs: dice.pick([10, 100, 3_000]),
    gitOutages: dice.chance(0.3),
    metricsOutages: dice.chance(0.3),
    gateOutages: dice.chance(0.3),
    lostLeases: dice.chance(0.2),
    standby: dice.chance(0.25),
    people: dice.chance(0.5),
    podTrouble: dice.chance(0.1),
  };
}

/** What befalls a call; reads are neither refused for a stale version nor worth a kill of their own. */
export function drawFault(mood: Mood, port: Port, dice: Dice): Fault {
  let left = dice.next();
  for (const fault of FAULTS) {
    const chance = mood.chances[fault] * weightOf(port, fault);
    if (left < chance) return fault;
    left -= chance;
  }
  return "none";
}

const FAULTS: readonly Exclude<Fault, "none">[] = [
  "kill-before",
  "kill-after",
  "freeze-before",
  "freeze-after",
  "error-before",
  "error-after",
  "conflict",
  "slow",
];

function weightOf(port: Port, fault: Fault): number {
  const writes = port === "kube-write" || port === "git-push";
  if (fault === "conflict") return port === "kube-write" ? 1 : 0;
  if (port === "git-push") return 5;
  return writes ? 1 : 0.3;
}
