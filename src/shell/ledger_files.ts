/** The locks and status files of one cluster at the tip, read as they change. Knows no Git and no canaries. */
import { type CanaryId, canaryKey } from "../core/canary.ts";
import type { StatusFile } from "../core/decision.ts";
import { type LockFile, lockPath, parseLockFile } from "../ledger/lock_file.ts";
import { parseStatusFile, statusPath } from "../ledger/status_file.ts";
import type { FileView } from "../ports/source.ts";

/** Much more than a lock with its bound of data needs. */
const FILE_BYTES_MAX = 8 * 1024 * 1024;

const ABSENT = { type: "absent" } as const;

export class LedgerFiles {
  readonly #cluster: string;
  readonly #locks = new Map<string, FileView<LockFile>>();
  readonly #statuses = new Map<string, FileView<StatusFile>>();

  /** @param cluster its name in the configuration */
  constructor(cluster: string) {
    this.#cluster = cluster;
  }

  /** Folder that holds all of them, without a slash at its end. */
  get folder(): string {
    return `.serin/${this.#cluster}`;
  }

  /**
   * Takes a file in, or out with null.
   *
   * @returns the key of the canary it is about; null: it is no file of the ledger
   */
  update(path: string, content: Uint8Array | null): string | null {
    const [, , namespace = "", name = ""] = path.split("/");
    const id: CanaryId = { namespace, name };
    const key = canaryKey(id);
    if (path === lockPath(this.#cluster, id)) {
      set(this.#locks, key, read(content, parseLockFile, ({ lock }) => lock.canary, id));
      return key;
    }
    if (path === statusPath(this.#cluster, id)) {
      set(this.#statuses, key, read(content, parseStatusFile, ({ canary }) => canary, id));
      return key;
    }
    return null;
  }

  /** Keys of the canaries that have a file here. */
  keys(): readonly string[] {
    return [...this.#locks.keys(), ...this.#statuses.keys()];
  }

  lock(id: CanaryId): FileView<LockFile> {
    return this.#locks.get(canaryKey(id)) ?? ABSENT;
  }

  status(id: CanaryId): FileView<StatusFile> {
    return this.#statuses.get(canaryKey(id)) ?? ABSENT;
  }
}

function set<T>(files: Map<string, FileView<T>>, key: string, view: FileView<T>): void {
  if (view.type === "absent") files.delete(key);
  else files.set(key, view);
}

/** A file that was copied into another canary's folder is broken: it must not be taken for that canary's. */
function read<T>(
  content: Uint8Array | null,
  parse: (text: string) => FileView<T>,
  about: (value: T) => CanaryId,
  id: CanaryId,
): FileView<T> {
  if (content === null) return ABSENT;
  if (content.length > FILE_BYTES_MAX) return { type: "broken", reason: `it is too large: ${content.length} bytes` };
  const view = parse(new TextDecoder().decode(content));
  if (view.type !== "read") return view;
  const found = canaryKey(about(view.value));
  if (found === canaryKey(id)) return view;
  return { type: "broken", reason: `it is about "${found}", and lies in the folder of "${canaryKey(id)}"` };
}
