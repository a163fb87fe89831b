/** The table of places to tell people: a row each, ordered by id. */
import { InvalidSpecError } from "../../src/errors.ts";
import type { Notifier } from "./notifier.ts";
import { slack } from "./slack.ts";
import { webhook } from "./webhook.ts";

export type { Notifier } from "./notifier.ts";

const ROWS: readonly Notifier[] = [slack, webhook];

/** Notifiers by `spec.type` of an AlertProvider. */
export const notifiers: ReadonlyMap<string, Notifier> = new Map(ROWS.map((row) => [row.id, row]));

/** Every `spec.type` that is understood, with a row or not: those of Flagger's CRD, and `webhook`. */
export const knownAlertTypes: readonly string[] = ["discord", "gchat", "msteams", "rocket", "slack", "webhook"];

/**
 * The row of an AlertProvider's `spec.type`.
 *
 * @throws {InvalidSpecError} there is none; the message tells an unknown one from one that is not supported yet
 */
export function notifierOf(type: string): Notifier {
  const found = notifiers.get(type);
  if (found !== undefined) return found;
  const why = knownAlertTypes.includes(type) ? "is not supported yet" : "is not known";
  throw new InvalidSpecError(`Cannot notify through alert type "${type}": it ${why}`, {
    fix: `Use one of: ${[...notifiers.keys()].join(", ")}.`,
  });
}
