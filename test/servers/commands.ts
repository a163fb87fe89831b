/** Runs the tools that make servers: go, pip, apt, dpkg. What is missing becomes an error that says how to get it. */

/** A tool is not there, or may not be used: the suites that need it are left out, with this text. */
export class MissingToolError extends Error {
  override readonly name = "MissingToolError";
}

const HOW_TO_GET: Readonly<Record<string, string>> = {
  go: "Install Go 1.26 or newer (or set KUBEBUILDER_ASSETS to a folder of setup-envtest, for the control plane alone)",
  python3: "Install Python 3.9 or newer, with pip",
  "apt-get":
    "Only Debian and its relatives have apt-get; put prometheus and promtool 2.40 or newer on the PATH instead",
  dpkg: "Only Debian and its relatives have dpkg; put prometheus and promtool 2.40 or newer on the PATH instead",
  unshare: "Install util-linux",
  ip: "Install iproute2",
};

export interface RunOptions {
  readonly cwd?: string | URL;
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * @returns what it printed
 * @throws {MissingToolError} the tool is not installed
 * @throws {Error} it failed, with the end of what it said
 */
export async function runTool(tool: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { success, stdout, stderr } = await outputOf(tool, args, options);
  const text = new TextDecoder();
  if (success) return text.decode(stdout).trim();
  const said = text.decode(stderr).trim().split("\n").slice(-15).join("\n");
  throw new Error(`Cannot run ${tool} ${args[0] ?? ""}: ${said}`);
}

async function outputOf(tool: string, args: readonly string[], options: RunOptions): Promise<Deno.CommandOutput> {
  try {
    return await new Deno.Command(tool, { args: [...args], ...options, stdin: "null" }).output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    const how = HOW_TO_GET[tool] ?? `Install ${tool}`;
    throw new MissingToolError(`"${tool}" is not on the PATH. ${how}`, { cause: error });
  }
}

/** Path of a program, or undefined when the PATH has none. */
export async function onPath(program: string): Promise<string | undefined> {
  for (const folder of (Deno.env.get("PATH") ?? "").split(":")) {
    const path = `${folder}/${program}`;
    if (folder !== "" && await isFile(path)) return path;
  }
  return undefined;
}

/** Whether there is a file or a folder. */
export async function isThere(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, (error) => {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  });
}

export async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  }
}
