/**
 * Sends requests at a steady rate through real HTTP and keeps what came of each. Open loop, like real users: a slow
 * server does not slow the senders down, up to a bound of requests in flight, beyond which a request counts as lost.
 */
import { stringAt } from "../../core/kube_object.ts";
import type { Clock } from "../../ports/clock.ts";
import { CookieJar } from "./cookie_jar.ts";

export interface LoadOptions {
  /** Where to connect, and the path: "http://127.0.0.1:8080/". */
  readonly url: string;
  /** The `Host` header, by which a gateway or mesh routes. */
  readonly host?: string;
  readonly ratePerSecond: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Users who take turns, each with a cookie jar of its own; 0 (the default) keeps no cookies. */
  readonly users?: number;
  readonly clock: Clock;
  /** The run ends by itself after so many requests; 1,000,000 unless told otherwise. */
  readonly requestsMax?: number;
  /** How many entries the log keeps, the newest; 100,000 unless told otherwise. */
  readonly logMax?: number;
  /**
   * With so many requests under way a request that is due is left out: no more load than the machine can carry. Unless
   * told otherwise 512 may be under way, and what is over that counts as lost.
   */
  readonly waitsAt?: number;
  /** A request without an answer after so long is given up; 30 s unless told otherwise. */
  readonly timeoutMs?: number;
}

export interface LoadEntry {
  /** When the request was sent, epoch milliseconds. */
  readonly atMs: number;
  /** The version that answered; undefined where no application did. */
  readonly version: string | undefined;
  /** The pod that answered; undefined where no application did. */
  readonly pod?: string;
  /** HTTP status; 0 when there was no answer (refused, cut, timed out, or too many in flight). */
  readonly status: number;
  readonly ms: number;
  /** Why there was no answer; only where status is 0. */
  readonly lost?: string;
  /** Index of the user, where there are users. */
  readonly user?: number;
}

export interface Load {
  /** In the order answers came. */
  readonly log: readonly LoadEntry[];
  /** Requests sent so far, also those whose entry was dropped from the log. */
  readonly sent: number;
  /** Resolves when the run has ended and all answers are in. */
  readonly finished: Promise<void>;
  /** Sends nothing more and waits for answers that are due. */
  stop(): Promise<void>;
}

const REQUESTS_MAX = 1_000_000;
const LOG_MAX = 100_000;
const TIMEOUT_MS = 30_000;
const IN_FLIGHT_MAX = 512;

export function startLoad(options: LoadOptions): Load {
  const { clock, ratePerSecond, requestsMax = REQUESTS_MAX, logMax = LOG_MAX } = options;
  const client = Deno.createHttpClient({ allowHost: true });
  const jars = Array.from({ length: options.users ?? 0 }, () => new CookieJar());
  const end = new AbortController();
  const inFlight = new Set<Promise<void>>();
  const log: LoadEntry[] = [];
  let sent = 0;

  function keep(entry: LoadEntry): void {
    log.push(entry);
    if (log.length > logMax) log.shift();
  }

  function fire(): void {
    if (options.waitsAt !== undefined && inFlight.size >= options.waitsAt) {
      sent++;
      return;
    }
    const user = jars.length === 0 ? undefined : sent % jars.length;
    sent++;
    if (inFlight.size >= IN_FLIGHT_MAX) {
      const entry = { atMs: clock.now(), version: undefined, status: 0, ms: 0, lost: "too many requests in flight" };
      keep(user === undefined ? entry : { ...entry, user });
      return;
    }
    const jar = user === undefined ? undefined : jars[user];
    const one = sendOne(options, client, jar)
      .then((entry) => keep(user === undefined ? entry : { ...entry, user }))
      .finally(() => inFlight.delete(one));
    inFlight.add(one);
  }

  async function run(): Promise<void> {
    const startMs = clock.monotonic();
    while (!end.signal.aborted && sent < requestsMax) {
      // By the clock and not by counting sleeps: timers are late, and lateness must not add up.
      const due = Math.min(requestsMax, 1 + Math.floor((clock.monotonic() - startMs) * ratePerSecond / 1000));
      while (sent < due) fire();
      if (sent >= requestsMax) break;
      const nextMs = startMs + sent * 1000 / ratePerSecond;
      await clock.sleep(Math.max(0, nextMs - clock.monotonic()), end.signal).catch(() => {});
    }
    await Promise.all(inFlight);
    client.close();
  }

  const finished = run();
  return {
    log,
    get sent() {
      return sent;
    },
    finished,
    async stop() {
      end.abort(new Error("the load generator was stopped"));
      await finished;
    },
  };
}

async function sendOne(options: LoadOptions, client: Deno.HttpClient, jar: CookieJar | undefined): Promise<LoadEntry> {
  const { clock, host } = options;
  const [atMs, startMs] = [clock.now(), clock.monotonic()];
  const headers = new Headers(options.headers);
  if (host !== undefined) headers.set("host", host);
  const cookie = jar?.header(atMs);
  if (cookie !== undefined) headers.set("cookie", cookie);
  const settled = new AbortController();
  const expired = new AbortController();
  void clock.sleep(options.timeoutMs ?? TIMEOUT_MS, settled.signal).then(
    () => expired.abort(new Error("no answer in time")),
    () => {},
  );
  try {
    const answer = await fetch(options.url, { client, headers, redirect: "manual", signal: expired.signal });
    const body = await answer.text();
    jar?.store(answer.headers, clock.now());
    return { atMs, ...answererIn(body), status: answer.status, ms: clock.monotonic() - startMs };
  } catch (error) {
    // No answer is a result as well: it is what users would see.
    return { atMs, version: undefined, status: 0, ms: clock.monotonic() - startMs, lost: whyOf(error) };
  } finally {
    settled.abort(new Error("settled"));
  }
}

/** `fetch` hides the reason in the cause. */
function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

function answererIn(body: string): Pick<LoadEntry, "version" | "pod"> {
  try {
    const answer: unknown = JSON.parse(body);
    const pod = stringAt(answer, "pod");
    return { version: stringAt(answer, "version"), ...(pod === undefined ? {} : { pod }) };
  } catch {
    return { version: undefined };
  }
}

/** The log as JSON lines, for files and for tools that read such. */
export function jsonLines(log: readonly LoadEntry[]): string {
  return log.map((entry) => `${JSON.stringify(entry)}\n`).join("");
}
