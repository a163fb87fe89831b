/**
 * Browser sessions, in memory: a restart logs everybody out, and nothing about them is stored. Each has its own key for
 * the tokens of its forms, which bind a form to the session and to what it does.
 */
import type { Buffer } from "node:buffer";
import { createHmac, randomBytes } from "node:crypto";
import type { Clock } from "../ports/clock.ts";
import { type Caller, isSameSecret } from "./tokens.ts";

export interface Flash {
  readonly type: "done" | "refused";
  readonly message: string;
}

export interface Session {
  readonly id: string;
  readonly caller: Caller;
  readonly startedAt: number;
  readonly usedAt: number;
  readonly key: Buffer;
  /** Said on the next page, once. */
  readonly flash: Flash | null;
}

/** However often it is used. */
export const SESSION_MS_MAX = 12 * 3_600_000;
/** Without being used. */
export const SESSION_IDLE_MS_MAX = 3_600_000;
const SESSIONS_MAX = 1_000;
const ID_BYTES = 32;

export class Sessions {
  readonly #clock: Pick<Clock, "monotonic">;
  /** By id, in the order of use. */
  readonly #sessions = new Map<string, Session>();

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
  }

  /** Starts one; the oldest unused goes when there are more than 1,000. */
  start(caller: Caller): Session {
    const now = this.#clock.monotonic();
    const id = randomBytes(ID_BYTES).toString("base64url");
    const session = { id, caller, startedAt: now, usedAt: now, key: randomBytes(ID_BYTES), flash: null };
    this.#sessions.set(id, session);
    for (const oldest of this.#sessions.keys()) {
      if (this.#sessions.size <= SESSIONS_MAX) break;
      this.#sessions.delete(oldest);
    }
    return session;
  }

  /** The session of a cookie, marked as used; null when there is none or it is over. */
  use(id: string): Session | null {
    const session = this.#sessions.get(id);
    if (session === undefined) return null;
    const now = this.#clock.monotonic();
    this.#sessions.delete(id);
    if (now - session.startedAt >= SESSION_MS_MAX || now - session.usedAt >= SESSION_IDLE_MS_MAX) return null;
    const used = { ...session, usedAt: now };
    this.#sessions.set(id, used);
    return used;
  }

  end(id: string): void {
    this.#sessions.delete(id);
  }

  setFlash(id: string, flash: Flash): void {
    const session = this.#sessions.get(id);
    if (session !== undefined) this.#sessions.set(id, { ...session, flash });
  }

  /** What was to be said, which it then no longer is. */
  takeFlash(id: string): Flash | null {
    const session = this.#sessions.get(id);
    if (session === undefined || session.flash === null) return null;
    this.#sessions.set(id, { ...session, flash: null });
    return session.flash;
  }
}

/** The token of one form, named by where it is sent to. */
export function formToken(session: Session, action: string): string {
  return createHmac("sha256", session.key).update(action).digest("base64url");
}

export function isFormToken(session: Session, action: string, token: string): boolean {
  return isSameSecret(formToken(session, action), token);
}
