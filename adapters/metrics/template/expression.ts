/** Reads one action of a query template: commands joined by pipes, each a function with its arguments, or a constant. */
import { failAt, type Place } from "./place.ts";

/** `from` is the offset in the template, for messages. */
export type Expression =
  | { readonly type: "constant"; readonly value: string | number; readonly from: number }
  | { readonly type: "call"; readonly name: string; readonly args: readonly Expression[]; readonly from: number }
  | { readonly type: "field"; readonly of: Expression; readonly name: string; readonly from: number };

interface Token {
  readonly kind: "word" | "field" | "text" | "raw" | "number" | "pipe" | "open" | "close" | "end" | "other";
  readonly text: string;
  readonly from: number;
  /** Whether whitespace stands before it: "variables.key" is one operand, "variables .key" are two. */
  readonly isApart: boolean;
}

const TOKEN =
  /(?<word>[A-Za-z_]\w*)|(?<field>\.[A-Za-z_]\w*)|(?<text>"(?:[^"\\\n]|\\.)*")|(?<raw>`[^`]*`)|(?<number>[+-]?\d+(?:\.\d+)?)|(?<pipe>\|)|(?<open>\()|(?<close>\))|(?<other>\S)/y;
const KINDS = ["word", "field", "text", "raw", "number", "pipe", "open", "close"] as const;
/** Parentheses in each other; a query needs none or one. */
const DEPTH_MAX = 16;

/** @throws {InvalidSpecError} it is not an expression that queries may have */
export function parseAction(place: Place, part: { readonly from: number; readonly to: number }): Expression {
  const tokens = tokensOf(place, part);
  const reader = new ActionReader(place, tokens);
  return reader.action();
}

function tokensOf(place: Place, part: { readonly from: number; readonly to: number }): readonly Token[] {
  const text = place.text.slice(0, part.to);
  const tokens: Token[] = [];
  let at = part.from;
  for (;;) {
    const from = at + (/^\s*/.exec(text.slice(at))?.[0].length ?? 0);
    const isApart = from > at;
    if (from >= text.length) return [...tokens, { kind: "end", text: "", from, isApart }];
    TOKEN.lastIndex = from;
    const found = TOKEN.exec(text);
    const kind = KINDS.find((name) => found?.groups?.[name] !== undefined) ?? "other";
    const token = found?.[0] ?? text.slice(from, from + 1);
    tokens.push({ kind, text: token, from, isApart });
    at = from + token.length;
  }
}

class ActionReader {
  readonly #place: Place;
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(place: Place, tokens: readonly Token[]) {
    this.#place = place;
    this.#tokens = tokens;
  }

  action(): Expression {
    const expression = this.#pipeline(0);
    const rest = this.#peek();
    if (rest.kind !== "end") throw this.#unexpected(rest);
    return expression;
  }

  /** A later command gets the value of the one before as its last argument. */
  #pipeline(depth: number): Expression {
    let value = this.#command(undefined, depth);
    while (this.#peek().kind === "pipe") {
      this.#next++;
      value = this.#command(value, depth);
    }
    return value;
  }

  #command(piped: Expression | undefined, depth: number): Expression {
    const first = this.#peek();
    const isCall = first.kind === "word";
    const operands = [this.#operand(depth)];
    while (["word", "field", "text", "raw", "number", "open", "other"].includes(this.#peek().kind)) {
      operands.push(this.#operand(depth));
    }
    const [head, ...args] = operands;
    const given = piped === undefined ? args : [...args, piped];
    if (head === undefined) throw this.#unexpected(first);
    if (given.length === 0) return head;
    if (isCall && head.type === "call") return { ...head, args: given };
    throw failAt(this.#place, first.from, "only a function takes arguments", "Begin with a function's name.");
  }

  #operand(depth: number): Expression {
    const token = this.#peek();
    let value = this.#simple(token, depth);
    for (let field = this.#peek(); field.kind === "field" && !field.isApart; field = this.#peek()) {
      this.#next++;
      value = { type: "field", of: value, name: field.text.slice(1), from: field.from };
    }
    return value;
  }

  #simple(token: Token, depth: number): Expression {
    const { from, text } = token;
    this.#next++;
    switch (token.kind) {
      case "word":
        return { type: "call", name: text, args: [], from };
      case "text":
        return { type: "constant", value: this.#unquoted(token), from };
      case "raw":
        return { type: "constant", value: text.slice(1, -1), from };
      case "number":
        return { type: "constant", value: Number(text), from };
      case "open": {
        if (depth === DEPTH_MAX) throw failAt(this.#place, from, "too many parentheses", "Write it simpler.");
        const inner = this.#pipeline(depth + 1);
        const close = this.#peek();
        if (close.kind !== "close") {
          throw failAt(this.#place, from, "a parenthesis is not closed", 'Close it with ")".');
        }
        this.#next++;
        return inner;
      }
      case "field":
        throw failAt(this.#place, from, `"${text}" reads a field, and a query has no data`, `Write ${text.slice(1)}.`);
      default:
        throw this.#unexpected(token);
    }
  }

  /** Of Go's escapes those that JSON has as well. */
  #unquoted(token: Token): string {
    try {
      return String(JSON.parse(token.text));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      const reason = `the text ${token.text} has an escape that is not supported`;
      throw failAt(this.#place, token.from, reason, "Use a text between backquotes.");
    }
  }

  #peek(): Token {
    return this.#tokens[Math.min(this.#next, this.#tokens.length - 1)] ??
      { kind: "end", text: "", from: 0, isApart: false };
  }

  #unexpected(token: Token): Error {
    return token.kind === "end"
      ? failAt(this.#place, token.from, "the action ends where a value is needed", "Name a function, such as target.")
      : failAt(this.#place, token.from, `"${token.text}" is not supported in queries`, "Use functions and texts only.");
  }
}
