/** Failed logins and tokens by address: after ten in a minute an address waits. Bounded, so that it cannot be filled. */
import type { Clock } from "../ports/clock.ts";

const FAILURES_MAX = 10;
const WINDOW_MS = 60_000;
const ADDRESSES_MAX = 10_000;

interface Window {
  readonly startedAt: number;
  readonly failures: number;
}

export class Attempts {
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #windows = new Map<string, Window>();

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
  }

  /** Seconds until an address may try again; 0 when it may now. */
  waitSeconds(address: string): number {
    const window = this.#current(addressGroup(address));
    if (window === undefined || window.failures < FAILURES_MAX) return 0;
    return Math.max(1, Math.ceil((window.startedAt + WINDOW_MS - this.#clock.monotonic()) / 1_000));
  }

  failed(address: string): void {
    const group = addressGroup(address);
    const window = this.#current(group) ?? { startedAt: this.#clock.monotonic(), failures: 0 };
    // Set anew, so that the map's order is that of the last failure and the oldest goes first.
    this.#windows.delete(group);
    this.#windows.set(group, { ...window, failures: window.failures + 1 });
    for (const oldest of this.#windows.keys()) {
      if (this.#windows.size <= ADDRESSES_MAX) break;
      this.#windows.delete(oldest);
    }
  }

  #current(group: string): Window | undefined {
    const window = this.#windows.get(group);
    if (window === undefined || this.#clock.monotonic() - window.startedAt < WINDOW_MS) return window;
    this.#windows.delete(group);
    return undefined;
  }
}

/** Whoever has an IPv6 address has its whole /64. */
export function addressGroup(address: string): string {
  if (!address.includes(":") || address.toLowerCase().startsWith("::ffff:")) return address;
  const [head = "", tail] = address.split("::");
  const parts = head.split(":").filter((part) => part !== "");
  const missing = tail === undefined ? 0 : 8 - parts.length - tail.split(":").filter((part) => part !== "").length;
  const full = [...parts, ...Array.from({ length: Math.max(0, missing) }, () => "0")];
  return full.slice(0, 4).join(":");
}
