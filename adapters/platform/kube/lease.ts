/**
 * Leader election on a Lease object. One holder renews it; the others watch for it to stop changing. Every acquisition
 * raises the epoch (`leaseTransitions`), which fences what an earlier leader may still try to write.
 */
import { type KubeObject, numberAt, stringAt } from "../../../src/core/kube_object.ts";
import { ConflictError, UnavailableError } from "../../../src/errors.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import type { Cluster } from "../../../src/ports/cluster.ts";
import { linkAbort } from "./abort.ts";

export interface ElectionOptions {
  readonly cluster: Pick<Cluster, "live" | "create" | "replace">;
  readonly namespace: string;
  readonly name: string;
  /** Unique among all processes, the pod's name. */
  readonly identity: string;
  readonly clock: Clock;
  /** How long a silent holder is waited for; 15 s unless told otherwise. */
  readonly leaseMs?: number;
  /** How often the holder renews, and the others look; 5 s unless told otherwise. */
  readonly renewMs?: number;
  readonly onLead: (epoch: number) => void;
  /** Leadership ended: somebody else has it, it could not be renewed in time, or `stop` was called. */
  readonly onLose: () => void;
  /** Why an attempt failed, each time; the election goes on. */
  readonly onTrouble?: (error: unknown) => void;
}

/** A candidacy that goes on until it is stopped. */
export interface Election {
  /** Whether this process may act as the leader at this very moment, by its own monotonic clock. */
  isLeader(): boolean;
  /** Of the present leadership, or of the last one; 0 before the first. */
  epoch(): number;
  /** Ends the candidacy and, when leading, gives the Lease back so that another need not wait. */
  stop(): Promise<void>;
}

/**
 * Starts to stand for election.
 *
 * *Guarantees*: no two processes answer `isLeader` with true at the same time. A holder stops believing in itself a
 * fifth of `leaseMs` before any other may take over, counted from before its last successful renewal was sent. Others
 * count from when they last saw the Lease change. No wall clocks are compared. Each acquisition has a higher epoch than
 * any before it, also one by the same process.
 *
 * *Assumptions*: monotonic clocks run equally fast within a fifth, and go on while a process is frozen.
 *
 * *Caveats*: a Lease that is deleted forgets its epochs, but for what a running candidate has seen.
 */
export function startElection(options: ElectionOptions): Election {
  return new LeaseElection(options);
}

const LEASE_MS = 15_000;
const RENEW_MS = 5_000;

interface Seen {
  readonly lease: KubeObject;
  /** Holder, renewal and epoch as one string: while it stays the same, the holder is silent. */
  readonly mark: string;
  readonly sinceMs: number;
}

class LeaseElection implements Election {
  readonly #options: ElectionOptions;
  readonly #leaseMs: number;
  readonly #renewMs: number;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #seen: Seen | undefined;
  #leading = false;
  /** Monotonic; leadership is not believed in from here on. */
  #validUntilMs = 0;
  #epoch = 0;
  /** The highest epoch seen of anyone. */
  #epochSeen = 0;

  constructor(options: ElectionOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
    this.#renewMs = options.renewMs ?? RENEW_MS;
    this.#running = this.#run();
  }

  isLeader(): boolean {
    return this.#leading && this.#options.clock.monotonic() < this.#validUntilMs;
  }

  epoch(): number {
    return this.#epoch;
  }

  async stop(): Promise<void> {
    this.#stop.abort(new DOMException("The election was stopped", "AbortError"));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    while (!this.#stop.signal.aborted) {
      let failed = false;
      try {
        await this.#attempt();
      } catch (error) {
        if (this.#stop.signal.aborted) break;
        failed = true;
        // Losing a race for the Lease is how elections go.
        if (!(error instanceof ConflictError)) this.#options.onTrouble?.(error);
      }
      if (this.#leading && !this.isLeader()) this.#lose();
      await clock.sleep(this.#pauseMs(failed), this.#stop.signal).catch(() => undefined);
      if (this.#leading && !this.isLeader()) this.#lose();
    }
    await this.#release();
  }

  /** One try to renew or to acquire, given up before leadership would run out under it. */
  async #attempt(): Promise<void> {
    const { clock } = this.#options;
    const leftMs = this.#leading ? this.#validUntilMs - clock.monotonic() : this.#renewMs;
    await this.#within(Math.min(leftMs, this.#renewMs), this.#stop.signal, async (signal) => {
      await (this.#leading ? this.#renew(signal) : this.#stand(signal));
    });
  }

  async #within(
    ms: number,
    stop: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const link = linkAbort(stop);
    const done = new AbortController();
    const late = () =>
      link.abort(new UnavailableError(`Cannot write the Lease: no answer within ${Math.round(ms)} ms`));
    this.#options.clock.sleep(ms, done.signal).then(late, () => undefined);
    try {
      await work(link.signal);
    } finally {
      done.abort();
      link.unlink();
    }
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const { lease } = this.#seen ?? {};
    if (lease === undefined) return;
    try {
      await this.#write(lease, this.#epoch, signal);
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      // Somebody wrote it: another holder, a person's edit, or we, in a request whose answer was lost.
      const live = await this.#look(signal);
      if (live === undefined || !this.#isMine(live)) this.#lose();
      else await this.#write(live, this.#epoch, signal);
    }
  }

  async #stand(signal: AbortSignal): Promise<void> {
    const lease = await this.#look(signal);
    if (lease === undefined) {
      await this.#write(undefined, this.#epochSeen + 1, signal);
    } else if (this.#isFree(lease)) {
      await this.#write(lease, this.#epochSeen + 1, signal);
    }
  }

  async #look(signal: AbortSignal): Promise<KubeObject | undefined> {
    const { cluster, namespace, name } = this.#options;
    const lease = await cluster.live({ apiVersion: LEASE_API, kind: "Lease", namespace, name }, signal);
    if (lease !== undefined) this.#note(lease);
    return lease;
  }

  #note(lease: KubeObject): void {
    const mark = JSON.stringify([
      stringAt(lease, "metadata", "uid") ?? "",
      stringAt(lease, "spec", "holderIdentity") ?? "",
      stringAt(lease, "spec", "renewTime") ?? "",
      epochOf(lease),
    ]);
    const sinceMs = this.#seen?.mark === mark ? this.#seen.sinceMs : this.#options.clock.monotonic();
    this.#seen = { lease, mark, sinceMs };
    this.#epochSeen = Math.max(this.#epochSeen, epochOf(lease));
  }

  /** Held by this very process: an identity may be used twice, an epoch is only ours if we got it. */
  #isMine(lease: KubeObject): boolean {
    return stringAt(lease, "spec", "holderIdentity") === this.#options.identity && this.#epoch > 0 &&
      epochOf(lease) === this.#epoch;
  }

  #isFree(lease: KubeObject): boolean {
    if ((stringAt(lease, "spec", "holderIdentity") ?? "") === "" || this.#isMine(lease)) return true;
    const termMs = (numberAt(lease, "spec", "leaseDurationSeconds") ?? 0) * 1000;
    const silentMs = this.#options.clock.monotonic() - (this.#seen?.sinceMs ?? Infinity);
    return silentMs >= Math.max(termMs, this.#leaseMs);
  }

  /** Writes ourselves into the Lease; on success we lead until the margin before it would count as silent. */
  async #write(lease: KubeObject | undefined, epoch: number, signal: AbortSignal): Promise<void> {
    const { cluster, clock, identity, namespace, name } = this.#options;
    const sentAtMs = clock.monotonic();
    const renewTime = microTime(clock.now());
    const spec = {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(this.#leaseMs / 1000),
      acquireTime: this.#leading ? stringAt(lease, "spec", "acquireTime") ?? renewTime : renewTime,
      renewTime,
      leaseTransitions: epoch,
    };
    const written = lease === undefined
      ? await cluster.create({ apiVersion: LEASE_API, kind: "Lease", metadata: { namespace, name }, spec }, { signal })
      : await cluster.replace({ ...lease, spec }, { signal });
    this.#note(written);
    this.#validUntilMs = sentAtMs + this.#leaseMs * 0.8;
    const tooLate = clock.monotonic() >= this.#validUntilMs;
    if (this.#leading || tooLate || this.#stop.signal.aborted) return;
    this.#leading = true;
    this.#epoch = epoch;
    this.#options.onLead(epoch);
  }

  #lose(): void {
    if (!this.#leading) return;
    this.#leading = false;
    this.#options.onLose();
  }

  /** Work ends first, then the Lease is given back; where that fails, it expires by itself. */
  async #release(): Promise<void> {
    const { cluster, clock } = this.#options;
    const wasLeading = this.#leading;
    this.#lose();
    const lease = this.#seen?.lease;
    if (!wasLeading || lease === undefined) return;
    const { holderIdentity: _holder, ...spec } = lease.spec ?? {};
    const released = { ...lease, spec: { ...spec, leaseDurationSeconds: 1, renewTime: microTime(clock.now()) } };
    try {
      await this.#within(this.#renewMs, undefined, async (signal) => {
        await cluster.replace(released, { signal });
      });
    } catch (error) {
      this.#options.onTrouble?.(error);
    }
  }

  /** After a failure a holder tries again soon, and nobody sleeps past the end of their leadership. */
  #pauseMs(failed: boolean): number {
    const { clock } = this.#options;
    const pauseMs = failed && this.#leading ? this.#renewMs / 5 : this.#renewMs;
    // Candidates are spread, so that they do not all write at once when a Lease comes free.
    if (!this.#leading) return pauseMs * (0.8 + clock.random() * 0.4);
    return Math.max(0, Math.min(pauseMs, this.#validUntilMs - clock.monotonic()));
  }
}

const LEASE_API = "coordination.k8s.io/v1";

function epochOf(lease: KubeObject): number {
  return numberAt(lease, "spec", "leaseTransitions") ?? 0;
}

/** A MicroTime, which API servers take with exactly six decimals only. */
export function microTime(nowMs: number): string {
  return new Date(nowMs).toISOString().replace("Z", "000Z");
}
