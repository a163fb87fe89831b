/** The manifests of a folder as the agent would read them, offline: found, read, parsed, and what is wrong with them. */
import type { Catalogue, Complaint } from "../core/catalogue.ts";
import type { Capabilities } from "../spec/capabilities.ts";
import { CatalogueIndex } from "../spec/catalogue.ts";
import { sortComplaints } from "../spec/complaints.ts";
import { FILE_SIZE_MAX_BYTES, parseFile } from "../spec/parse_file.ts";
import { leftUnrendered } from "../spec/rendered_file.ts";
import type { ParsedArgs } from "./args.ts";
import type { OptionRow } from "./args.ts";
import { CliFailure, type CliIo, EXIT } from "./io.ts";

const DEPTH_MAX = 64;
const FILES_MAX = 200_000;
const PROGRESS_EVERY_FILES = 500;

/** What canaries that name none are taken to have; the agent takes both from its configuration. */
export const DEFAULTS_OPTIONS: readonly OptionRow[] = [
  { name: "provider", value: "ID", help: "Router of canaries that name none." },
  { name: "metrics-server", value: "URL", help: "Prometheus of canaries that name none." },
];

/** @throws {CliFailure} status 2: the provider is not known */
export function withDefaults(args: ParsedArgs, built: Capabilities): Capabilities {
  const { defaults, routers, knownRouters } = built;
  const provider = args.values.get("provider") ?? defaults.provider;
  if (!routers.has(provider) && !knownRouters.includes(provider)) {
    const fix = `Known are ${[...routers.keys()].join(", ")}.`;
    throw new CliFailure(EXIT.usage, `Provider "${provider}" is not known`, fix);
  }
  return {
    ...built,
    defaults: { provider, metricsServer: args.values.get("metrics-server") ?? defaults.metricsServer },
  };
}

/**
 * Paths of files in order, each beginning with the root; a root that is no folder is the one file. Links, `.git` and
 * `node_modules` are left out.
 *
 * @throws {CliFailure} status 1: too deep, too many
 */
export async function filesUnder(
  root: string,
  io: CliIo,
  isWanted: (path: string) => boolean,
): Promise<readonly string[]> {
  if (!await io.isDirectory(root)) return [root];
  const found: string[] = [];
  const walk = async (folder: string, depth: number): Promise<void> => {
    if (depth > DEPTH_MAX) throw new CliFailure(EXIT.refused, `Folders are nested over ${DEPTH_MAX} deep: "${folder}"`);
    const entries = [...await io.readDirectory(folder)].sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const { name, isDirectory, isFile } of entries) {
      const path = folder === "." ? name : `${folder.replace(/\/+$/, "")}/${name}`;
      if (isDirectory && name !== ".git" && name !== "node_modules") await walk(path, depth + 1);
      if (isFile && isWanted(path)) found.push(path);
      if (found.length > FILES_MAX) throw new CliFailure(EXIT.refused, `There are over ${FILES_MAX} manifests`);
    }
  };
  await walk(root, 0);
  return found;
}

/** @param whole also what is larger than any manifest may be; @throws {CliFailure} status 2 */
export async function readOrFail(path: string, io: CliIo, whole = false): Promise<Uint8Array> {
  try {
    const bytes = await io.readFile(path);
    if (whole) return bytes;
    // What is too large is refused by the parser; a byte more than it reads shows that.
    return bytes.length > FILE_SIZE_MAX_BYTES ? bytes.subarray(0, FILE_SIZE_MAX_BYTES + 1) : bytes;
  } catch {
    throw new CliFailure(EXIT.usage, `Cannot read "${path}"`, "Check its name and its rights.");
  }
}

export interface ReadManifests {
  readonly paths: readonly string[];
  readonly read: (path: string) => Promise<Uint8Array>;
  readonly capabilities: Capabilities;
  /** Commit that they are of; "" where they are of none. */
  readonly commit: string;
}

/** Reads and parses all, with progress on a terminal. */
export async function catalogueOf({ paths, read, capabilities, commit }: ReadManifests, io: CliIo): Promise<Catalogue> {
  const index = new CatalogueIndex(capabilities);
  for (const [done, path] of paths.entries()) {
    index.update(path, leftUnrendered(parseFile(path, await read(path))));
    if (io.isTerminal && (done + 1) % PROGRESS_EVERY_FILES === 0) {
      io.stderr(`\rRead ${done + 1} of ${paths.length} files`);
    }
  }
  if (io.isTerminal && paths.length >= PROGRESS_EVERY_FILES) io.stderr("\r\x1b[K");
  return index.build(commit);
}

/** All complaints of a catalogue by place. One thing is said once, though several canaries may trip over it. */
export function complaintsOf({ complaints, entries }: Catalogue): readonly Complaint[] {
  const all = [...entries.values()].flatMap((entry) => (entry.type === "canary" ? entry.warnings : entry.complaints));
  const seen = new Set<string>();
  return sortComplaints([...complaints, ...all]).filter(({ file, line, field, message }) => {
    const key = JSON.stringify([file, line, field, message]);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
