/**
 * Reads Prometheus' text format (version 0.0.4), the way a scraper does: one bad line fails the whole scrape.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */
import type { Labels } from "./promql/value.ts";

export interface ExposedSample {
  readonly name: string;
  readonly labels: Labels;
  readonly value: number;
  /** Epoch milliseconds, where the target gives its own. */
  readonly atMs?: number;
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(.*)\})?\s+(\S+)(?:\s+(-?\d+))?\s*$/;
const LABEL = /\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(,|$)/y;

/**
 * All samples of a page.
 *
 * @throws {Error} naming the line that is not in the format
 */
export function parseExposition(text: string): readonly ExposedSample[] {
  return text.split("\n").flatMap((raw, index) => {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) return [];
    const sample = parseLine(line);
    if (sample === undefined) throw new Error(`Cannot parse line ${index + 1}: ${JSON.stringify(line.slice(0, 120))}`);
    return [sample];
  });
}

function parseLine(line: string): ExposedSample | undefined {
  const found = LINE.exec(line);
  if (found === null) return undefined;
  const [, name = "", labelText, valueText = "", time] = found;
  const labels = parseLabels(labelText ?? "");
  const value = parseValue(valueText);
  if (labels === undefined || value === undefined) return undefined;
  return { name, labels, value, ...(time === undefined ? {} : { atMs: Number(time) }) };
}

function parseLabels(text: string): Labels | undefined {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  for (let at = 0; at < text.trimEnd().length; at = LABEL.lastIndex) {
    LABEL.lastIndex = at;
    const found = LABEL.exec(text);
    if (found === null) return undefined;
    const [, name = "", value = ""] = found;
    labels[name] = value.replace(/\\(.)/g, (_all, escaped: string) => escaped === "n" ? "\n" : escaped);
  }
  return labels;
}

function parseValue(text: string): number | undefined {
  if (/^nan$/i.test(text)) return NaN;
  if (/^[+-]?inf(inity)?$/i.test(text)) return text.startsWith("-") ? -Infinity : Infinity;
  const value = Number(text);
  return Number.isNaN(value) ? undefined : value;
}
