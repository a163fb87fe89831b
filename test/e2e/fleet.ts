/** The demo's repository, with an analysis that a real Prometheus can keep up with. */
import { filesOf } from "../../src/demo/stage.ts";

const DEMO = new URL("../../fixtures/demo/", import.meta.url);
const CANARY_FILE = "apps/podinfo/canary.yaml";

/**
 * A Prometheus takes up to 5 s to see a new pod (its discovery waits so long between two changes), and two scrapes to
 * give a rate: checks every 2 s over 6 s, as in the demo, would find nothing at first.
 */
const CHANGES: readonly (readonly [string, string])[] = [
  ["    interval: 2s", "    interval: 6s"],
  ["    threshold: 2", "    threshold: 3"],
  ["        interval: 6s", "        interval: 15s"],
];

/** @throws {Error} the demo's Canary no longer holds what is changed here */
export async function fleetFiles(): Promise<Readonly<Record<string, string>>> {
  const files = { ...await filesOf(DEMO) };
  let canary = files[CANARY_FILE] ?? "";
  for (const [from, to] of CHANGES) {
    if (!canary.includes(from)) throw new Error(`${CANARY_FILE} has no "${from.trim()}"`);
    canary = canary.replaceAll(from, to);
  }
  return { ...files, [CANARY_FILE]: canary };
}
