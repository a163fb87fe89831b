/**
 * The collection of real manifests that lies beside the project, for tests that hold what edits files against it. Where
 * it is not there, a test says so aloud and leaves it out.
 */

/** The collection's folder, named by SERIN_SHARED where that may be read, else beside the project; null: not there. */
export async function manifestsCorpus(): Promise<string | null> {
  const { state } = Deno.permissions.querySync({ name: "env", variable: "SERIN_SHARED" });
  const shared = (state === "granted" ? Deno.env.get("SERIN_SHARED") : undefined) ?? "../shared";
  const folder = `${shared}/manifests-corpus`;
  const isThere = await Deno.stat(folder).then((stat) => stat.isDirectory, () => false);
  if (isThere) return folder;
  await Deno.stderr.write(
    new TextEncoder().encode(`left out: no folder "${folder}" (SERIN_SHARED names where its parent is)\n`),
  );
  return null;
}

/** Every manifest of a folder, as a path from it, in order. */
export async function manifestsUnder(folder: string): Promise<readonly string[]> {
  const found: string[] = [];
  const walk = async (prefix: string): Promise<void> => {
    for await (const entry of Deno.readDir(`${folder}/${prefix}`)) {
      const path = `${prefix}${entry.name}`;
      if (entry.isDirectory) await walk(`${path}/`);
      else if (/\.(ya?ml|json)$/.test(entry.name)) found.push(path);
    }
  };
  await walk("");
  return found.sort();
}
