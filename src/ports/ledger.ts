/** The writer of Git, one a remote and branch. */
import type { Decision, DecisionOutcome } from "../core/decision.ts";

export interface Ledger {
  /**
   * Queues a decision. The same id again is the same decision: nothing is written twice, also after a restart, since
   * the tip's status file and trailers are looked at before anything is planned.
   */
  submit(decision: Decision): void;
  /** undefined: never submitted in this process. */
  outcome(id: string): DecisionOutcome | undefined;
  /** Takes a decision back that has not landed; resolves to what it came to, "pending" meaning that it was dropped. */
  withdraw(id: string): Promise<DecisionOutcome>;
  onOutcome(listener: (decision: Decision, outcome: DecisionOutcome) => void): void;
}
