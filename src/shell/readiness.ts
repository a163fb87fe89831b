/** Whether the agent is ready, and why it is not: caches filled, every source fetched once. */
import type { Source } from "../ports/source.ts";

export function readinessOf(
  sources: readonly Source[],
  synced: boolean,
): { readonly ready: boolean; readonly reasons: readonly string[] } {
  const unfetched = sources.filter(({ view }) => view.state === "unknown");
  const reasons = unfetched.map(({ name, view }) =>
    `Source "${name}" was not fetched yet${view.problem === null ? "" : `: ${view.problem}`}`
  );
  if (!synced) reasons.push("The watch caches are not filled yet");
  return { ready: reasons.length === 0, reasons };
}
