/**
 * A folder that only this user may enter, for files that programs want to have by name: keys, known hosts, keyrings,
 * signatures. Nothing in it outlives its owner's `remove`.
 */

export class PrivateFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Makes it in the machine's folder for temporary files, with mode 0700. */
  static async create(kind: string): Promise<PrivateFolder> {
    const path = await Deno.makeTempDir({ prefix: `serin-${kind}-` });
    await Deno.chmod(path, 0o700);
    return new PrivateFolder(path);
  }

  /** Writes a file with mode 0600. @returns its path */
  async write(name: string, text: string | Uint8Array): Promise<string> {
    const path = `${this.path}/${name}`;
    const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
    await Deno.writeFile(path, bytes, { mode: 0o600, createNew: true });
    return path;
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
