/**
 * The log: one JSON line an event. `event` is a constant in kebab-case, everything that varies is a field. Where the
 * lines go is the caller's choice; what looks like a credential never gets that far.
 */
import type { Clock } from "../ports/clock.ts";
import { redactValue } from "./redact.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

/** What a line may carry. `canary` is "namespace/name"; times in other fields are epoch milliseconds. */
export interface LogFields {
  readonly canary?: string;
  readonly revision?: string;
  readonly phase?: string;
  readonly [field: string]: unknown;
}

/** error is our bug; warn wants a look; info is a phase or weight change, or a user's mistake; debug is the rest. */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

export interface LogOptions {
  readonly clock: Pick<Clock, "now">;
  /** Lines below it are left out; default info. */
  readonly level?: LogLevel;
  /** Takes a line with its newline. */
  readonly write: (line: string) => void;
}

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
const FIXED: readonly string[] = ["ts", "level", "event", "canary", "revision", "phase"];

/** Opens a log. The order of keys is fixed: ts, level, event, canary, revision, phase, then the fields. */
export function createLog(options: LogOptions): Log {
  const lowest = RANK[options.level ?? "info"];
  const at = (level: LogLevel) => (event: string, fields: LogFields = {}): void => {
    if (RANK[level] < lowest) return;
    options.write(`${JSON.stringify(lineOf(options.clock.now(), level, event, fields))}\n`);
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function lineOf(now: number, level: LogLevel, event: string, fields: LogFields): Readonly<Record<string, unknown>> {
  const line: Record<string, unknown> = { ts: new Date(now).toISOString(), level, event };
  for (const name of ["canary", "revision", "phase"] as const) {
    if (fields[name] !== undefined) line[name] = redactValue(fields[name]);
  }
  for (const [name, value] of Object.entries(fields)) {
    if (!FIXED.includes(name)) line[name] = redactValue(value, name);
  }
  return line;
}
