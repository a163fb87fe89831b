/** Colours for a terminal, none for anything else or with NO_COLOR; tables by column; what is not printable made so. */
import type { CliIo } from "./io.ts";

export type Colour = "red" | "green" | "yellow" | "blue" | "dim" | "bold";

const CODES: Readonly<Record<Colour, string>> = {
  red: "31",
  green: "32",
  yellow: "33",
  blue: "34",
  dim: "2",
  bold: "1",
};

export type Paint = (colour: Colour, text: string) => string;

/** @see https://no-color.org: any value but the empty one switches colours off */
export function painter(io: Pick<CliIo, "env" | "isTerminal">): Paint {
  const isColoured = io.isTerminal && (io.env("NO_COLOR") ?? "") === "" && io.env("TERM") !== "dumb";
  return (colour, text) => (isColoured && text !== "" ? `\x1b[${CODES[colour]}m${text}\x1b[0m` : text);
}

/** Text of others on a terminal: control characters could move the cursor or forge lines. */
export function printable(text: string): string {
  // deno-lint-ignore no-control-regex -- these are what must not reach the terminal
  return text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "?");
}

export interface Cell {
  readonly text: string;
  readonly colour?: Colour;
}

/** Columns as wide as their widest cell, two spaces apart; line breaks become spaces. */
export function table(titles: readonly string[], rows: readonly (readonly Cell[])[], paint: Paint): string {
  const clean = rows.map((row) =>
    row.map((cell) => ({ ...cell, text: printable(cell.text.replaceAll(/\s+/g, " ")).trim() }))
  );
  const widths = titles.map((title, index) =>
    Math.max(title.length, ...clean.map((row) => (row[index]?.text ?? "").length))
  );
  const line = (cells: readonly Cell[]): string =>
    cells.map(({ text, colour }, index) => {
      const isLast = index === cells.length - 1;
      const painted = colour === undefined ? text : paint(colour, text);
      return isLast ? painted : painted + " ".repeat((widths[index] ?? 0) - text.length + 2);
    }).join("").trimEnd();
  return [line(titles.map((text) => ({ text, colour: "dim" }))), ...clean.map(line)].map((row) => `${row}\n`).join("");
}

/** "3m", "2h", "5d". */
export function age(at: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - at) / 1_000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3_600)}h` : `${Math.floor(seconds / 86_400)}d`;
}
