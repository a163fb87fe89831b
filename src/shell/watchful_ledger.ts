/** A ledger that tells which decisions were taken back, and when that is known. */
import type { Ledger } from "../ports/ledger.ts";

export interface WithdrawalListener {
  /** The decision did not land and will not. */
  readonly withdrawn: (decision: string) => void;
  /** It came to something that can be seen now: the canary should look again. */
  readonly settled: () => void;
  readonly failed: (error: unknown) => void;
}

/** The same ledger, whose `withdraw` answers at once: with Git down it may take as long as the outage to know. */
export function watchfulLedger(ledger: Ledger, listener: WithdrawalListener): Ledger {
  return {
    submit: (decision) => ledger.submit(decision),
    outcome: (id) => ledger.outcome(id),
    onOutcome: (heard) => ledger.onOutcome(heard),
    withdraw: (id) => {
      ledger.withdraw(id).then((outcome) => {
        if (outcome.type === "pending") listener.withdrawn(id);
        // What landed is looked at once the source shows it; until then there is nothing new to see.
        if (outcome.type !== "committed") listener.settled();
      }).catch(listener.failed);
      return Promise.resolve({ type: "pending", reason: null, attempts: 0 });
    },
  };
}
