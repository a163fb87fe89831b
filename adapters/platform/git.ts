/**
 * The Git port: one branch of one remote, all in memory, without a work tree and without a git binary. A fetch is believed
 * only when every object of the new commit is there and, where that is asked for, somebody who may has signed it; until
 * then the old snapshot stands, whatever the server did.
 */
import { BugError, RejectedError, UnavailableError } from "../../src/errors.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type {
  AsideRef,
  CommitDraft,
  CommitInfo,
  GitRemote,
  OfferResult,
  Oid,
  PushResult,
  Snapshot,
} from "../../src/ports/git.ts";
import type { GitAccessSource } from "./git/access.ts";
import { Aside, type MadeAside } from "./git/aside.ts";
import { checkedBranch } from "./git/branch_name.ts";
import { Connection } from "./git/connection.ts";
import { History } from "./git/history.ts";
import { HttpTransport } from "./git/http_transport.ts";
import { Mutex } from "./git/mutex.ts";
import { ObjectStore } from "./git/object_store.ts";
import { isOid } from "./git/objects.ts";
import { offerCommits } from "./git/offer.ts";
import { AnswerFault } from "./git/pkt_line.ts";
import { type MadeCommits, makeCommits, pushCommits, type Pushed } from "./git/push.ts";
import { parseRemoteAddress, type RemoteAddress } from "./git/remote_address.ts";
import { Signing, type SigningKeySource } from "./git/signing.ts";
import { StoredSnapshot, storedSnapshot } from "./git/snapshot.ts";
import { SshTransport } from "./git/ssh_transport.ts";
import type { GitTransport } from "./git/transport.ts";
import { markReachable, newClosure } from "./git/tree_walk.ts";
import { type PolicySource, Verification } from "./git/verification.ts";

export type { GitAccess, GitAccessSource, GitAuth } from "./git/access.ts";
export type { SigningKeySource } from "./git/signing.ts";
export type { PolicySource, SignaturePolicy } from "./git/verification.ts";

const TIMEOUT_MS = 30_000;
const FETCH_BYTES_MAX = 256 * 1024 * 1024;
/** Manifests shrink to a third in a pack, more where files are alike; beyond this factor it is an attack. */
const INFLATED_FACTOR_MAX = 16;
/** Snapshots given out between two sweeps of objects that nobody needs any more. */
const SNAPSHOTS_PER_SWEEP = 50;
/** How deep the history is searched where a server gives no commit by its hash; each step sends only what is new. */
const DEEPEN_STEPS = [50, 250, 1000] as const;

export interface GitRemoteOptions {
  /** An address of HTTP or SSH, without credentials. */
  readonly url: string;
  /** Short name, "main". */
  readonly branch: string;
  readonly access?: GitAccessSource;
  /** Signs our commits; left out, they are not signed. */
  readonly signingKey?: SigningKeySource;
  /** Who must have signed the tip before it counts; left out, anybody who can push. */
  readonly signedBy?: PolicySource;
  /** How long the server may be silent; default 30 s. A whole answer may take ten times that. */
  readonly timeoutMs?: number;
  readonly clock: Clock;
  /** Bound on one answer; default 256 MiB. About three times as much is held in memory. */
  readonly fetchBytesMax?: number;
}

/** The Git port, a ref beside the branch, and giving back what it holds: connections, keys in files, programs. */
export interface OpenGitRemote extends GitRemote {
  /** Keeps a ref beside the branch from now on: it goes along with pushes where the server moves both or none. */
  keepAside(aside: AsideRef): void;
  /**
   * Pushes that ref by itself, where it has something new to say.
   *
   * @throws {RejectedError} the server does not take it
   * @throws {UnavailableError} no answer
   */
  pushAside(signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens one branch of a remote; sends nothing yet.
 *
 * *Guarantees*: methods run one at a time. A snapshot stays readable as long as somebody holds it.
 * *Caveats*: the whole tree of the branch is held in memory. In `push`, a draft that changes nothing makes no commit, so
 * `commits` may be shorter than the drafts.
 *
 * @throws {InvalidSpecError} when the url or the branch cannot be used
 */
export function openGitRemote(options: GitRemoteOptions): OpenGitRemote {
  return new RemoteBranch(options);
}

class RemoteBranch implements OpenGitRemote {
  readonly url: string;
  readonly branch: string;
  readonly #transport: GitTransport;
  readonly #connection: Connection;
  readonly #signing: Signing | undefined;
  readonly #verification: Verification | undefined;
  readonly #history: History;
  readonly #mutex = new Mutex();
  #store = new ObjectStore();
  #tip: StoredSnapshot | undefined;
  /** Every snapshot given out, held weakly: what somebody can still read must not be swept. */
  #given: readonly WeakRef<StoredSnapshot>[] = [];
  #snapshotsSinceSweep = 0;
  readonly #closing = new AbortController();
  #aside: Aside | undefined;

  constructor(options: GitRemoteOptions) {
    const { clock, signingKey, signedBy } = options;
    const address = parseRemoteAddress(options.url);
    this.url = address.shown;
    this.branch = checkedBranch(options.branch);
    const answerBytesMax = options.fetchBytesMax ?? FETCH_BYTES_MAX;
    this.#transport = transportTo(address, options, answerBytesMax);
    this.#connection = new Connection({
      transport: this.#transport,
      url: this.url,
      branch: this.branch,
      inflatedBytesMax: answerBytesMax * INFLATED_FACTOR_MAX,
    });
    this.#history = new History(this.#connection);
    this.#signing = signingKey === undefined ? undefined : new Signing(signingKey, clock);
    this.#verification = signedBy === undefined ? undefined : new Verification(signedBy, clock);
  }

  get tip(): Snapshot | undefined {
    return this.#tip;
  }

  fetch(signal?: AbortSignal): Promise<Snapshot> {
    return this.#exclusive("fetch", (until) => this.#fetch(until), signal);
  }

  at(commit: Oid, signal?: AbortSignal): Promise<Snapshot | undefined> {
    return this.#exclusive("fetch an older commit of", (until) => this.#at(commit, until), signal);
  }

  log(max: number, signal?: AbortSignal): Promise<readonly CommitInfo[]> {
    return this.#exclusive("read the history of", async (until) => {
      const tip = this.#tip ?? await this.#fetch(until);
      const commits = await this.#history.log(tip.commit, max, { local: tip.store, signal: until });
      return commits.map(({ oid, tree, parents, author, message }) => ({ oid, tree, parents, author, message }));
    }, signal);
  }

  push(base: Snapshot, drafts: readonly CommitDraft[], signal?: AbortSignal): Promise<PushResult> {
    return this.#exclusive("push to", (until) => this.#push(storedSnapshot(base), drafts, until), signal);
  }

  offer(base: Snapshot, branch: string, draft: CommitDraft, signal?: AbortSignal): Promise<OfferResult> {
    return this.#exclusive("offer a branch beside", async (until) => {
      const made = await makeCommits(storedSnapshot(base), [draft], await this.#signer(until));
      return await offerCommits(this.#connection, branch, made, until);
    }, signal);
  }

  cannotPush(signal?: AbortSignal): Promise<string | undefined> {
    return this.#exclusive("ask for write access to", async (until) => {
      try {
        await this.#connection.askWriteCapabilities(until);
        return undefined;
      } catch (cause) {
        if (cause instanceof RejectedError) return cause.message;
        throw cause;
      }
    }, signal);
  }

  keepAside(aside: AsideRef): void {
    this.#aside = new Aside(aside, this.#connection);
  }

  pushAside(signal?: AbortSignal): Promise<void> {
    return this.#exclusive("write a ref beside", async (until) => {
      await this.#aside?.push(await this.#signer(until), until);
    }, signal);
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    this.#closing.abort(new BugError(`Cannot use ${this.#connection.label}: the remote is closed`));
    await this.#mutex.run(async () => {
      await this.#transport.close();
      await this.#signing?.close();
      await this.#verification?.close();
    });
  }

  async #fetch(signal: AbortSignal | undefined): Promise<StoredSnapshot> {
    const oid = await this.#connection.branchTip(signal);
    if (this.#tip?.commit === oid) return this.#tip;
    try {
      await this.#download(this.#store, oid, signal);
    } catch (cause) {
      const isGap = cause instanceof AnswerFault && cause.kind === "incomplete" && this.#tip !== undefined;
      if (!isGap) throw cause;
      // What the server believes us to have is not what we have. Starting over leaves snapshots their old store.
      const scratch = new ObjectStore();
      await this.#download(scratch, oid, signal);
      this.#store = scratch;
    }
    await this.#refuseUnsigned(this.#store, oid, signal);
    return await this.#moveTo(oid);
  }

  /** What is not signed stays out of sight: until something is pushed that is, the last good tip stands. */
  async #refuseUnsigned(store: ObjectStore, oid: Oid, signal: AbortSignal | undefined): Promise<void> {
    if (this.#verification === undefined) return;
    const commit = store.get(oid);
    if (commit === undefined) throw new BugError(`Cannot check commit ${oid}: it is no longer in memory`);
    const own = (await this.#signing?.signer(signal))?.own;
    const complaint = await this.#verification.complaint(oid, commit, { own, signal });
    if (complaint === undefined) return;
    // Nobody holds it, so that many of them cannot fill the memory.
    await this.#sweepSometimes();
    throw new RejectedError(`Cannot accept commit ${oid.slice(0, 12)} of ${this.#connection.label}: ${complaint}`, {
      fix:
        "Push a commit on top that one of the allowed signers has signed, or sign this one and push it again. What was " +
        "accepted last stays as it is.",
      data: { reason: "not-signed", commit: oid, url: this.url },
    });
  }

  /** Brings a commit and all that it needs into a store, or changes nothing. */
  async #download(store: ObjectStore, commit: Oid, signal: AbortSignal | undefined): Promise<void> {
    if (store.has(commit)) return;
    const have = this.#tip !== undefined && store.has(this.#tip.commit) ? [this.#tip.commit] : [];
    const request = { wants: [commit], haves: have, shallow: have, deepen: 1 };
    const { objects } = await this.#connection.fetchObjects(request, store, signal);
    await store.adopt(await newClosure(store, objects, commit));
  }

  async #at(commit: Oid, signal: AbortSignal | undefined): Promise<Snapshot | undefined> {
    if (!isOid(commit)) return undefined;
    try {
      await this.#download(this.#store, commit, signal);
    } catch (cause) {
      const isRefusal = cause instanceof AnswerFault && cause.kind === "remote";
      if (!isRefusal) throw cause;
      if (!await this.#deepenTo(commit, signal)) return undefined;
    }
    return await this.#give(commit);
  }

  async #deepenTo(commit: Oid, signal: AbortSignal | undefined): Promise<boolean> {
    const tip = await this.#fetch(signal);
    for (const deepen of DEEPEN_STEPS) {
      const request = { wants: [tip.commit], haves: [tip.commit], shallow: [tip.commit], deepen };
      const { objects, isShallow } = await this.#connection.fetchObjects(request, this.#store, signal);
      if (objects.has(commit)) {
        await this.#store.adopt(await newClosure(this.#store, objects, commit));
        return true;
      }
      if (!isShallow) return false;
    }
    return false;
  }

  async #push(
    base: StoredSnapshot,
    drafts: readonly CommitDraft[],
    signal: AbortSignal | undefined,
  ): Promise<PushResult> {
    // Our signature vouches for everything below it.
    if (base.commit !== this.#tip?.commit) await this.#refuseUnsigned(base.store, base.commit, signal);
    const sign = await this.#signer(signal);
    const made = await makeCommits(base, drafts, sign);
    const mine = made.commits.at(-1);
    if (mine === undefined) return { type: "unchanged" };
    const result = await this.#send(base, made, await this.#aside?.ready(sign), signal);
    if (result.type !== "pushed") return result;
    for (const commit of made.commits) await this.#store.adopt(await newClosure(this.#store, made.objects, commit));
    await this.#moveTo(mine);
    return result;
  }

  async #send(
    base: StoredSnapshot,
    made: MadeCommits,
    beside: MadeAside | undefined,
    signal: AbortSignal | undefined,
  ): Promise<PushResult> {
    const context = { connection: this.#connection, history: this.#history, base, beside, signal };
    let fate: Pushed["beside"] = "unknown";
    try {
      const pushed = await pushCommits(context, made);
      fate = pushed.beside;
      return pushed.result;
    } finally {
      if (beside !== undefined && fate === "landed") this.#aside?.landed(beside);
      if (beside !== undefined && fate === "unknown") this.#aside?.forget();
    }
  }

  async #signer(
    signal: AbortSignal | undefined,
  ): Promise<((bytes: Uint8Array<ArrayBuffer>) => Promise<string>) | undefined> {
    const signer = await this.#signing?.signer(signal);
    return signer === undefined ? undefined : (bytes) => signer.sign(bytes, signal);
  }

  async #moveTo(oid: Oid): Promise<StoredSnapshot> {
    this.#tip = await this.#give(oid);
    return this.#tip;
  }

  async #give(commit: Oid): Promise<StoredSnapshot> {
    const snapshot = new StoredSnapshot(this.#store, commit);
    this.#given = [...this.#given, new WeakRef(snapshot)];
    await this.#sweepSometimes();
    return snapshot;
  }

  async #sweepSometimes(): Promise<void> {
    this.#snapshotsSinceSweep++;
    if (this.#snapshotsSinceSweep >= SNAPSHOTS_PER_SWEEP) await this.#sweep();
  }

  async #sweep(): Promise<void> {
    this.#snapshotsSinceSweep = 0;
    this.#given = this.#given.filter((given) => given.deref() !== undefined);
    // Held for the length of the sweep, so that none can go between being marked and being read.
    const held = this.#given.flatMap((given) => given.deref() ?? []).filter(({ store }) => store === this.#store);
    this.#store.sweep(await markReachable(this.#store, held.map(({ commit }) => commit)));
  }

  /** Runs alone; names the branch in what the wire complains of, and asks the server anew after any trouble. */
  #exclusive<T>(
    doing: string,
    work: (until: AbortSignal) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const { signal: closing } = this.#closing;
    return this.#mutex.run(async () => {
      closing.throwIfAborted();
      try {
        return await work(signal === undefined ? closing : AbortSignal.any([signal, closing]));
      } catch (cause) {
        this.#connection.forget();
        if (!(cause instanceof AnswerFault)) throw cause;
        throw answerError(`${doing} ${this.#connection.label}`, cause);
      }
    }, signal);
  }
}

function transportTo(address: RemoteAddress, options: GitRemoteOptions, answerBytesMax: number): GitTransport {
  const { clock, access } = options;
  const common = {
    clock,
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    answerBytesMax,
    ...(access === undefined ? {} : { access }),
  };
  return address.type === "http" ? new HttpTransport({ address, ...common }) : new SshTransport({ address, ...common });
}

function answerError(doing: string, fault: AnswerFault): UnavailableError {
  const why = fault.kind === "remote" ? `the server says ${JSON.stringify(fault.message)}` : fault.message;
  return new UnavailableError(`Cannot ${doing}: ${why}`, {
    fix: fault.kind === "too-large"
      ? "Raise the bound on fetched bytes, or keep large files out of this repository."
      : "It is tried again; if that goes on, look into the log of the Git server or of the proxy in front of it.",
    data: { fault: fault.kind },
    cause: fault,
  });
}
