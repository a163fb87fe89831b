/** The adapters that a folder holds, by file: what a table must equal. */

/** Stems of `adapters/<port>/*.ts`, but for the front door and tests; an adapter's own parts are in folders below. */
export function adapterFiles(port: string, others: readonly string[] = []): readonly string[] {
  const folder = new URL(`../../adapters/${port}/`, import.meta.url);
  return [...Deno.readDirSync(folder)]
    .filter(({ isFile, name }) => isFile && name.endsWith(".ts") && !name.endsWith("_test.ts") && name !== "mod.ts")
    .map(({ name }) => name.slice(0, -".ts".length))
    .filter((name) => !others.includes(name))
    .sort();
}
