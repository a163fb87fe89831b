/**
 * gpg as it was unpacked, on the PATH of this process. gpg looks for its agent beside where it was installed, unless a file
 * beside it says where that is; and it is started with an empty environment, so its libraries are named by a script.
 */

const PROGRAMS = ["gpg", "gpg-agent", "gpg-connect-agent", "gpgconf"] as const;

/**
 * Puts gpg and its kin first on the PATH.
 *
 * @param programs where they were installed, by name
 * @param folder is made, and must stay as long as gpg is used
 * @throws {Error} one of them was not installed
 */
export async function gpgOnPath(programs: ReadonlyMap<string, string>, folder: string): Promise<void> {
  await Deno.mkdir(`${folder}/real`, { recursive: true });
  await Deno.mkdir(`${folder}/bin`);
  await Deno.writeTextFile(`${folder}/real/gpgconf.ctl`, `rootdir = ${folder}\n`);
  for (const name of PROGRAMS) {
    const path = programs.get(name);
    if (path === undefined) throw new Error(`There is no ${name}`);
    // A copy, since a link would lead it to the other folder.
    await Deno.copyFile(path, `${folder}/real/${name}`);
    const libraries = path.slice(0, path.lastIndexOf("/"));
    const script = `#!/bin/sh\nLD_LIBRARY_PATH=${libraries} exec ${folder}/real/${name} "$@"\n`;
    await Deno.writeTextFile(`${folder}/bin/${name}`, script, { mode: 0o755 });
  }
  Deno.env.set("PATH", `${folder}/bin:${Deno.env.get("PATH") ?? ""}`);
}
