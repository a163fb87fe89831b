/**
 * Several sources of one remote and branch (different paths, say) before its one writer: what their manifests say as one
 * catalogue, and to each source only the outcomes of what it handed in. Two writers of one branch would lose races to
 * each other all the time, and neither would see who else lives from a manifest.
 */
import type { Catalogue } from "../core/catalogue.ts";
import type { Decision, DecisionOutcome } from "../core/decision.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { ManifestReader } from "./tip.ts";

/** Reads through all; what several declare is taken from the first, as the agent does. */
export function readersAsOne(readers: readonly [ManifestReader, ...ManifestReader[]]): ManifestReader {
  const [first, ...others] = readers;
  if (others.length === 0) return first;
  let known: { readonly parts: readonly Catalogue[]; readonly whole: Catalogue } | null = null;
  return {
    async catalogue(snapshot, signal) {
      const parts: Catalogue[] = [];
      for (const reader of readers) {
        const part = await reader.catalogue(snapshot, signal);
        // One that is past the snapshot says for all that it is no longer the tip.
        if (part.commit !== snapshot.commit) return part;
        parts.push(part);
      }
      const isSame = known?.parts.every((part, index) => part === parts[index]) ?? false;
      if (known === null || !isSame) known = { parts, whole: wholeOf(snapshot.commit, parts) };
      return known.whole;
    },
    parse: (path, content) => first.parse(path, content),
  };
}

function wholeOf(commit: string, parts: readonly Catalogue[]): Catalogue {
  const last = parts.toReversed();
  return {
    commit,
    entries: new Map(last.flatMap(({ entries }) => [...entries])),
    unknownFiles: [...new Set(parts.flatMap(({ unknownFiles }) => unknownFiles))].sort(),
    complaints: parts.flatMap(({ complaints }) => complaints),
    manifests: new Map(last.flatMap(({ manifests }) => [...manifests])),
  };
}

/** A source's share of a ledger: its listeners hear of its own decisions only. */
export function shareOf(ledger: Ledger): Ledger {
  const mine = new Set<string>();
  const listeners: ((decision: Decision, outcome: DecisionOutcome) => void)[] = [];
  ledger.onOutcome((decision, outcome) => {
    if (!mine.has(decision.id)) return;
    if (outcome.type !== "pending") mine.delete(decision.id);
    for (const listener of listeners) listener(decision, outcome);
  });
  return {
    submit(decision) {
      mine.add(decision.id);
      ledger.submit(decision);
      // What was settled before is not told again.
      if (ledger.outcome(decision.id)?.type !== "pending") mine.delete(decision.id);
    },
    outcome: (id) => ledger.outcome(id),
    onOutcome: (listener) => void listeners.push(listener),
    withdraw: (id) => ledger.withdraw(id),
  };
}
