/**
 * The nearest known name to one that is not known, for messages that help. Edit distance counts a swap of two
 * neighbours as one edit, since that is how names are mistyped.
 */

/** Insertions, deletions, replacements and swaps of neighbours that turn one word into the other. */
export function editDistance(a: string, b: string): number {
  let beforeLast: readonly number[] = [];
  let last: readonly number[] = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row: number[] = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const replaced = (last[j - 1] ?? 0) + (same ? 0 : 1);
      const removed = (last[j] ?? 0) + 1;
      const added = (row[j - 1] ?? 0) + 1;
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
        ? (beforeLast[j - 2] ?? 0) + 1
        : Infinity;
      row.push(Math.min(replaced, removed, added, swapped));
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/**
 * The known name that was probably meant: at most a third of its letters away (one at least), capitals, dashes and
 * underscores aside. Undefined when none is near; the first in order when several are.
 */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  // Longer than any name we know; the distance would only cost time.
  if (name.length > 100) return undefined;
  const plain = (word: string): string => word.toLowerCase().replaceAll(/[-_]/g, "");
  const wanted = plain(name);
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) > bestDistance + 4) continue;
    const distance = editDistance(wanted, plain(candidate));
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return bestDistance <= Math.max(1, Math.floor((best ?? "").length / 3)) ? best : undefined;
}

/** "a, b or c": the known names as a sentence part, at most 12 of them. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, 12).map((name) => `"${name}"`);
  if (names.length > shown.length) return `${shown.join(", ")} and ${names.length - shown.length} more`;
  const last = shown.pop() ?? "none";
  return shown.length === 0 ? last : `${shown.join(", ")} or ${last}`;
}
