/**
 * Literal block scalars ("|"): their lines stand in the file as they are, behind an indentation, so that a place in the
 * text is a place in the file. Folded and quoted texts have no such relation.
 */
import type { Scalar } from "yaml";

/**
 * From an offset in a literal block's value to the offset in the file's text.
 *
 * @returns null where the lines of the block are not the lines of its value
 */
export function openLiteral(text: string, node: Scalar): ((inner: number) => number) | null {
  if (node.type !== "BLOCK_LITERAL" || !node.range || typeof node.value !== "string") return null;
  const [start, end] = node.range;
  const header = text.indexOf("\n", start);
  if (header < 0 || header >= end) return null;
  const starts: { readonly inner: number; readonly outer: number }[] = [];
  let inner = 0;
  let outer = header + 1;
  for (const line of node.value.replace(/\n+$/, "").split("\n")) {
    const stop = text.indexOf("\n", outer);
    const written = text.slice(outer, stop < 0 ? end : stop).replace(/\r$/, "");
    const indent = written.length - line.length;
    // Blank lines may be shorter in the file than the block is indented.
    const isLine = line === ""
      ? written.trim() === ""
      : written.endsWith(line) && /^ +$/.test(written.slice(0, indent));
    if (!isLine) return null;
    starts.push({ inner, outer: outer + Math.max(indent, 0) });
    inner += line.length + 1;
    outer = stop < 0 ? end : stop + 1;
  }
  return (offset) => {
    const line = starts.findLast((candidate) => candidate.inner <= offset);
    return line === undefined ? outer : line.outer + (offset - line.inner);
  };
}
