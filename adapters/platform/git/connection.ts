/**
 * A remote's one branch over a transport: what the server can do (asked once, forgotten after any trouble), where the
 * branch is, packs read into objects, and pushes. Errors about the branch or the server's abilities are made here.
 */
import { RejectedError } from "../../../src/errors.ts";
import type { Oid } from "../../../src/ports/git.ts";
import type { GitObject, ObjectSource } from "./object_store.ts";
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
  readonly objects: ReadonlyMap<Oid, GitObject>;
  /** Whether the server cut the history below what it sent. */
  readonly isShallow: boolean;
}

export class Connection {
  readonly #options: ConnectionOptions;
  #target: ReadTarget | undefined;
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
    this.#target = undefined;
    this.#write = undefined;
  }

  /** What the server can do for readers. */
  async target(signal?: AbortSignal): Promise<ReadTarget> {
    if (this.#target !== undefined) return this.#target;
    const { transport } = this.#options;
    const answer = parseReadAdvertisement(await transport.advertise("git-upload-pack", signal));
    const objectFormat = answer.type === "v2" ? answer.capabilities.objectFormat : answer.objectFormat;
    this.#refuseObjectFormat(objectFormat);
    if (answer.type === "older") {
      throw new RejectedError(`Cannot read Git remote "${this.#options.url}": the server does not speak protocol v2`, {
        fix: "Use a Git server with protocol version 2 (Git 2.18 or later), or let it through the proxy: the header " +
          "Git-Protocol must reach it. A fallback for older servers is not part of this version.",
        data: { reason: "no-protocol-v2" },
      });
    }
    this.#target = { transport, capabilities: answer.capabilities };
    return this.#target;
  }

  /**
   * Where the branch is.
   *
   * @throws {RejectedError} when it does not exist; `data.reason` is "empty-repository" or "no-branch"
   */
  async branchTip(signal?: AbortSignal): Promise<Oid> {
    const target = await this.target(signal);
    // The server matches prefixes, so "main-2" may come along.
    const tip = (await listRefs(target, [this.ref], signal)).get(this.ref);
    if (tip !== undefined) return tip;
    const refs = await listRefs(target, ["refs/heads/"], signal);
    const late = refs.get(this.ref);
    if (late !== undefined) return late;
    throw this.#noBranch([...refs.keys()].map((ref) => ref.slice("refs/heads/".length)));
  }

  /** Fetches and reads a pack whose deltas may build on `bases`. */
  async fetchObjects(request: FetchRequest, bases: ObjectSource, signal?: AbortSignal): Promise<FetchedObjects> {
    const { pack, shallow } = await fetchPack(await this.target(signal), request, signal);
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

  /** Sends one compare-and-swap of the branch. */
  async send(update: Omit<RefUpdate, "ref">, pack: Uint8Array<ArrayBuffer>, signal?: AbortSignal): Promise<PushReport> {
    const capabilities = this.#write ?? await this.askWriteCapabilities(signal);
    const updates = [{ ref: this.ref, ...update }];
    return await sendPack(this.#options.transport, { capabilities, updates, pack }, signal);
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
