/**
 * A folder that only this user may enter, for files that programs want to have by name: keys, known hosts, keyrings,
 * signatures, manifests to render. Nothing in it outlives its owner's `remove`.
 */
import { RejectedError } from "../../../src/errors.ts";

export class PrivateFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Makes it in the machine's folder for temporary files, with mode 0700.
   *
   * @throws {RejectedError} this process may not write there; `data.reason` is "no-folder"
   */
  static async create(kind: string): Promise<PrivateFolder> {
    try {
      const path = await Deno.makeTempDir({ prefix: `serin-${kind}-` });
      await Deno.chmod(path, 0o700);
      return new PrivateFolder(path);
    } catch (cause) {
      const isReadOnly = cause instanceof Error && "code" in cause && cause.code === "EROFS";
      const isForbidden = cause instanceof Deno.errors.NotCapable || cause instanceof Deno.errors.PermissionDenied;
      if (!isReadOnly && !isForbidden) throw cause;
      throw new RejectedError(`Cannot keep files for "${kind}": this process may write no temporary files`, {
        fix: "Mount a folder in memory at /tmp and start the agent with --allow-write=/tmp; docs/security.md says how.",
        data: { reason: "no-folder" },
        cause,
      });
    }
  }

  /** Writes a file with mode 0600. @returns its path */
  async write(name: string, text: string | Uint8Array): Promise<string> {
    const path = `${this.path}/${name}`;
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    await Deno.writeFile(path, bytes, { mode: 0o600, createNew: true });
    return path;
  }

  /** Writes files with their folders. @param files by path, whose parts are neither empty nor ".." */
  async writeAll(files: ReadonlyMap<string, Uint8Array>): Promise<void> {
    const folders = new Set([...files.keys()].map((path) => path.slice(0, Math.max(0, path.lastIndexOf("/")))));
    for (const folder of folders) {
      if (folder !== "") await Deno.mkdir(`${this.path}/${folder}`, { recursive: true, mode: 0o700 });
    }
    for (const [path, bytes] of files) await this.write(path, bytes);
  }

  /** Removes it with all that is in it; once more does nothing. */
  async remove(): Promise<void> {
    try {
      await Deno.remove(this.path, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}
