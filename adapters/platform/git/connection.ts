/**
 * A remote's one branch over a transport: what the server can do (asked once, forgotten after any trouble), where the
 * branch is, packs read into objects, and pushes. Errors about the branch or the server's abilities are made here.
 */
import { RejectedError } from "../../../src/errors.ts";
import type { Oid } from "../../../src/ports/git.ts";
import type { ObjectStore } from "./object_store.ts";
import type { ObjectSource } from "./objects.ts";
import { readPack } from "./pack.ts";
import {
  parseWriteAdvertisement,
  type PushReport,
  type RefUpdate,
  sendPack,
  type WriteCapabilities,
} from "./receive_pack.ts";
import type { GitTransport } from "./transport.ts";
import { fetchPack, type FetchRequest, listRefs, parseReadAdvertisement, type ReadTarget } from "./upload_pack.ts";
import { fetchOldPack, type OldAdvertisement, parseOldAdvertisement } from "./upload_pack_v0.ts";

/** How many of the branches that do exist an error names. */
const BRANCHES_SHOWN_MAX = 10;

export interface ConnectionOptions {
  readonly transport: GitTransport;
  /** Without credentials; for messages. */
  readonly url: string;
  /** Short name, "main". */
  readonly branch: string;
  /** Bound on the objects of one pack once inflated, bytes. */
  readonly inflatedBytesMax: number;
}

export interface FetchedObjects {
  readonly objects: ObjectStore;
  /** Whether the server cut the history below what it sent. */
  readonly isShallow: boolean;
}

/** How a server is read: by commands of protocol v2, or in the older way, with its refs as they just were. */
type Reader =
  | { readonly type: "v2"; readonly target: ReadTarget }
  | { readonly type: "v0"; readonly advertised: OldAdvertisement };

export class Connection {
  readonly #options: ConnectionOptions;
  #reader: Reader | undefined;
  #write: WriteCapabilities | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** The branch's full name. */
  get ref(): string {
    return `refs/heads/${this.#options.branch}`;
  }

  /** The branch and its remote, for messages. */
  get label(): string {
    return `branch "${this.#options.branch}" of "${this.#options.url}"`;
  }

  /** Asks the server anew what it can do at the next request: it may have been replaced, or have moved. */
  forget(): void {
    this.#reader = undefined;
    this.#write = undefined;
  }

  /** What the server can do for readers; a request. */
  async #askReader(signal: AbortSignal | undefined): Promise<Reader> {
    const { transport } = this.#options;
    const bytes = await transport.advertise("git-upload-pack", signal);
    const answer = parseReadAdvertisement(bytes);
    if (answer.type === "v2") {
      this.#refuseObjectFormat(answer.capabilities.objectFormat);
      return this.#reader = { type: "v2", target: { transport, capabilities: answer.capabilities } };
    }
    const advertised = parseOldAdvertisement(bytes);
    this.#refuseObjectFormat(advertised.objectFormat);
    return this.#reader = { type: "v0", advertised };
  }

  /**
   * Where the branch is.
   *
   * @throws {RejectedError} when it does not exist; `data.reason` is "empty-repository" or "no-branch"
   */
  async branchTip(signal?: AbortSignal): Promise<Oid> {
    const reader = this.#reader?.type === "v2" ? this.#reader : await this.#askReader(signal);
    // The server matches prefixes, so "main-2" may come along.
    const list = async (prefix: string) =>
      reader.type === "v0" ? reader.advertised.refs : await listRefs(reader.target, [prefix], signal);
    const tip = (await list(this.ref)).get(this.ref);
    if (tip !== undefined) return tip;
    const refs = new Map([...await list("refs/heads/")].filter(([name]) => name.startsWith("refs/heads/")));
    const late = refs.get(this.ref);
    if (late !== undefined) return late;
    throw this.#noBranch([...refs.keys()].map((ref) => ref.slice("refs/heads/".length)));
  }

  /** Where another ref is, by its full name; undefined when it does not exist. A request. */
  async refTip(ref: string, signal?: AbortSignal): Promise<Oid | undefined> {
    const reader = this.#reader?.type === "v2" ? this.#reader : await this.#askReader(signal);
    const refs = reader.type === "v0" ? reader.advertised.refs : await listRefs(reader.target, [ref], signal);
    return refs.get(ref);
  }

  /** Fetches and reads a pack whose deltas may build on `bases`. */
  async fetchObjects(request: FetchRequest, bases: ObjectSource, signal?: AbortSignal): Promise<FetchedObjects> {
    const { transport, url: shown } = this.#options;
    const reader = this.#reader ?? await this.#askReader(signal);
    const { pack, shallow } = reader.type === "v2"
      ? await fetchPack(reader.target, request, signal)
      : await fetchOldPack({ transport, shown, capabilities: reader.advertised.capabilities }, request, signal);
    const objects = await readPack(pack, bases, { inflatedBytesMax: this.#options.inflatedBytesMax });
    return { objects, isShallow: shallow.length > 0 };
  }

  /** What the server can do for writers; a request, also to find out whether it lets us. */
  async askWriteCapabilities(signal?: AbortSignal): Promise<WriteCapabilities> {
    const bytes = await this.#options.transport.advertise("git-receive-pack", signal);
    const capabilities = parseWriteAdvertisement(bytes);
    this.#refuseObjectFormat(capabilities.objectFormat);
    if (!capabilities.names.has("report-status")) {
      throw new RejectedError(`Cannot push to Git remote "${this.#options.url}": the server does not report results`, {
        fix: "Use a Git server that supports report-status.",
      });
    }
    this.#write = capabilities;
    return capabilities;
  }

  /**
   * Sends compare-and-swaps of refs in one request. Several are all done or none, where the server can; elsewhere each is
   * done or not by itself.
   */
  async send(
    updates: readonly RefUpdate[],
    pack: Uint8Array<ArrayBuffer>,
    signal?: AbortSignal,
  ): Promise<PushReport> {
    const capabilities = this.#write ?? await this.askWriteCapabilities(signal);
    return await sendPack(this.#options.transport, { capabilities, updates, pack }, signal);
  }

  /** Whether the server can move several refs together or not at all. */
  async canPushAtomically(signal?: AbortSignal): Promise<boolean> {
    return (this.#write ?? await this.askWriteCapabilities(signal)).names.has("atomic");
  }

  #refuseObjectFormat(format: string): void {
    if (format === "sha1") return;
    throw new RejectedError(
      `Cannot use Git remote "${this.#options.url}": its object format is ${
        JSON.stringify(format)
      }, only sha1 is supported`,
      { fix: "Use a repository with SHA-1 object ids.", data: { reason: "object-format", format } },
    );
  }

  #noBranch(branches: readonly string[]): RejectedError {
    const { branch } = this.#options;
    if (branches.length === 0) {
      return new RejectedError(`Cannot fetch ${this.label}: the repository is empty, it has no commits`, {
        fix: `Push a first commit to branch "${branch}".`,
        data: { reason: "empty-repository" },
      });
    }
    const shown = branches.slice(0, BRANCHES_SHOWN_MAX).map((name) => `"${name}"`).join(", ");
    const more = branches.length > BRANCHES_SHOWN_MAX ? ` and ${branches.length - BRANCHES_SHOWN_MAX} more` : "";
    return new RejectedError(`Cannot fetch ${this.label}: there is no such branch, only ${shown}${more}`, {
      fix: "Name a branch that exists, or create it. What was deployed last stays as it is.",
      data: { reason: "no-branch" },
    });
  }
}
