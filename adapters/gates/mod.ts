/** The table of ways to ask whether a rollout may go on: a row each, ordered by id. */
import type { GateAdapter } from "../../src/ports/gate.ts";
import { webhook } from "./webhook.ts";

const ROWS: readonly GateAdapter[] = [webhook];

/** Gates by id; a Canary's webhooks are all of the one kind. */
export const gates: ReadonlyMap<string, GateAdapter> = new Map(ROWS.map((row) => [row.id, row]));
