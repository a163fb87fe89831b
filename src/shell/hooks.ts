/** Calls hooks whose answer decides nothing (post-rollout), beside the turns, in their order, a bounded number at once. */
import type { Action } from "../core/action.ts";
import { type Canary, canaryKey } from "../core/canary.ts";
import type { State } from "../core/state.ts";
import type { GateAdapter } from "../ports/gate.ts";
import type { Http } from "../ports/http.ts";
import type { Telling } from "./telling.ts";

/** Calls under way at once; more are dropped and said. */
const CALLS_MAX = 200;

export class HookRunner {
  readonly #parts: { readonly http: Http; readonly gate: GateAdapter; readonly log: Telling["log"] };
  readonly #running = new Set<Promise<void>>();

  constructor(parts: { readonly http: Http; readonly gate: GateAdapter; readonly log: Telling["log"] }) {
    this.#parts = parts;
  }

  call(canary: Canary, state: State, action: Extract<Action, { type: "call-hooks" }>, signal: AbortSignal): void {
    if (!canary.analysis.webhooks.some((hook) => hook.type === action.hooks)) return;
    if (this.#running.size >= CALLS_MAX) {
      this.#parts.log("warn", "hook-dropped", { canary: canaryKey(canary.id), hooks: action.hooks });
      return;
    }
    const calling = this.#callAll(canary, state, action, signal).finally(() => this.#running.delete(calling));
    this.#running.add(calling);
  }

  async settle(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  async #callAll(
    canary: Canary,
    state: State,
    action: Extract<Action, { type: "call-hooks" }>,
    signal: AbortSignal,
  ): Promise<void> {
    const { http, gate, log } = this.#parts;
    const revision = state.run?.release.revision ?? state.last?.revision ?? "";
    for (const webhook of canary.analysis.webhooks.filter((hook) => hook.type === action.hooks)) {
      try {
        const request = gate.request({ webhook, canary: canary.id, phase: action.phase, revision, event: null });
        const said = gate.parse(await http.send(request, signal));
        if (said.type === "open") continue;
        log("warn", "hook-refused", { canary: canaryKey(canary.id), hook: webhook.name, reason: said.reason });
      } catch (error) {
        log("warn", "hook-failed", { canary: canaryKey(canary.id), hook: webhook.name, error: String(error) });
      }
      // As in Flagger: after one that failed, the rest of the type is left out.
      return;
    }
  }
}
