/**
 * The locks and status files of one cluster at the tip, kept as packed text and read when somebody asks: of thousands of
 * canaries at rest nobody does. Knows no Git and no canaries.
 */
import { Alike } from "../core/alike.ts";
import { type CanaryId, canaryKey } from "../core/canary.ts";
import type { StatusFile } from "../core/decision.ts";
import type { Packed } from "../core/packed.ts";
import { Recent } from "../core/recent.ts";
import { type LockFile, lockPath, parseLockFile } from "../ledger/lock_file.ts";
import { parseStatusFile, statusPath } from "../ledger/status_file.ts";
import type { FileView } from "../ports/source.ts";

/** Much more than a lock with its bound of data needs. */
const FILE_BYTES_MAX = 8 * 1024 * 1024;

/** Files of a kind that stay read after somebody asked. */
const READ_MAX = 256;

/** A file's text; or, of one that is too large and is not kept, its size. */
export type LedgerFile = Packed | { readonly sizeBytes: number };

const ABSENT = { type: "absent" } as const;

export class LedgerFiles {
  readonly #cluster: string;
  readonly #alike = new Alike();
  readonly #locks = new Files<LockFile>(this.#alike, parseLockFile, ({ lock }) => lock.canary);
  readonly #statuses = new Files<StatusFile>(this.#alike, parseStatusFile, ({ canary }) => canary);

  /** @param cluster its name in the configuration */
  constructor(cluster: string) {
    this.#cluster = cluster;
  }

  /** Folder that holds all of them, without a slash at its end. */
  get folder(): string {
    return `.serin/${this.#cluster}`;
  }

  /** A file for `update`, packed at once: of thousands that are read none lies there as it came. */
  packed(content: Uint8Array): LedgerFile {
    if (content.length > FILE_BYTES_MAX) return { sizeBytes: content.length };
    return this.#alike.pack(new TextDecoder().decode(content));
  }

  /**
   * Takes a file in, or out with null.
   *
   * @returns the key of the canary it is about; null: it is no file of the ledger
   */
  update(path: string, file: LedgerFile | null): string | null {
    const [, , namespace = "", name = ""] = path.split("/");
    const id: CanaryId = { namespace, name };
    const key = canaryKey(id);
    if (path === lockPath(this.#cluster, id)) {
      this.#locks.set(key, file);
      return key;
    }
    if (path === statusPath(this.#cluster, id)) {
      this.#statuses.set(key, file);
      return key;
    }
    return null;
  }

  /** Keys of the canaries that have a file here. */
  keys(): readonly string[] {
    return [...this.#locks.keys(), ...this.#statuses.keys()];
  }

  lock(id: CanaryId): FileView<LockFile> {
    return this.#locks.view(canaryKey(id));
  }

  status(id: CanaryId): FileView<StatusFile> {
    return this.#statuses.view(canaryKey(id));
  }

  /** Canaries whose lock was promoted from a file. Reads every lock. */
  declaredIn(path: string): readonly CanaryId[] {
    return [...this.#locks.keys()].flatMap((key) => {
      const view = this.#locks.view(key);
      return view.type === "read" && view.value.declaredIn?.canary === path ? [view.value.lock.canary] : [];
    });
  }
}

/** Files of one kind, by the key of the canary in whose folder they lie. */
class Files<T> {
  readonly #parse: (text: string) => FileView<T>;
  readonly #about: (value: T) => CanaryId;
  readonly #alike: Alike;
  readonly #texts = new Map<string, LedgerFile>();
  readonly #read = new Recent<string, FileView<T>>(READ_MAX);

  constructor(alike: Alike, parse: (text: string) => FileView<T>, about: (value: T) => CanaryId) {
    this.#alike = alike;
    this.#parse = parse;
    this.#about = about;
  }

  keys(): Iterable<string> {
    return this.#texts.keys();
  }

  set(key: string, file: LedgerFile | null): void {
    this.#read.delete(key);
    if (file === null) this.#texts.delete(key);
    else this.#texts.set(key, file);
  }

  /** A file that was copied into another canary's folder is broken: it must not be taken for that canary's. */
  view(key: string): FileView<T> {
    const text = this.#texts.get(key);
    if (text === undefined) return ABSENT;
    if (typeof text === "object") {
      return { type: "broken", reason: `it is too large: ${text.sizeBytes} bytes` };
    }
    const known = this.#read.get(key);
    if (known !== undefined) return known;
    const view = this.#checked(key, this.#parse(this.#alike.unpack(text)));
    this.#read.set(key, view);
    return view;
  }

  #checked(key: string, view: FileView<T>): FileView<T> {
    if (view.type !== "read") return view;
    const found = canaryKey(this.#about(view.value));
    if (found === key) return view;
    return { type: "broken", reason: `it is about "${found}", and lies in the folder of "${key}"` };
  }
}
