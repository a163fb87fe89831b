/** `serin lint PATH`: reads a repository's folder as the agent would, offline, and says all that is wrong with it. */
import type { Complaint } from "../core/catalogue.ts";
import type { Capabilities } from "../spec/capabilities.ts";
import { CatalogueIndex } from "../spec/catalogue.ts";
import { sortComplaints } from "../spec/complaints.ts";
import { FILE_SIZE_MAX_BYTES, isManifestPath, parseFile } from "../spec/parse_file.ts";
import type { ParsedArgs } from "./args.ts";
import { type CliCommand, OUTPUT_OPTION, outputOf } from "./command.ts";
import { complaintText, countText, statusOf } from "./complaint_text.ts";
import { CliFailure, type CliIo, EXIT } from "./io.ts";
import { painter } from "./paint.ts";

const DEPTH_MAX = 64;
const FILES_MAX = 200_000;
const PROGRESS_EVERY_FILES = 500;

/** @param capabilities what this build can do; --provider and --metrics-server change its defaults */
export function lintCommand(capabilities: () => Capabilities): CliCommand {
  return {
    usage: {
      name: "lint",
      summary: "Check the Canary, MetricTemplate and AlertProvider files of a folder, without a cluster or network.",
      positionals: "PATH",
      positionalsMin: 1,
      positionalsMax: 1,
      options: [
        { name: "provider", value: "ID", help: "Router of canaries that name none." },
        { name: "metrics-server", value: "URL", help: "Prometheus of canaries that name none." },
        { name: "warnings-as-errors", help: "Exit with 1 for warnings too." },
        OUTPUT_OPTION,
      ],
      examples: ["serin lint .", "serin lint clusters/production --output json"],
    },
    run: (args, io) => lint(args, io, capabilities()),
  };
}

async function lint(args: ParsedArgs, io: CliIo, built: Capabilities): Promise<number> {
  const output = outputOf(args);
  const root = args.positionals[0] ?? ".";
  const capabilities = { ...built, defaults: defaultsOf(args, built) };
  const index = new CatalogueIndex(capabilities);
  const files = await filesUnder(root, io);
  for (const [done, path] of files.entries()) {
    const bytes = await readOrFail(path, io);
    index.update(path, parseFile(path, bytes));
    if (io.isTerminal && (done + 1) % PROGRESS_EVERY_FILES === 0) {
      io.stderr(`\rRead ${done + 1} of ${files.length} files`);
    }
  }
  if (io.isTerminal && files.length >= PROGRESS_EVERY_FILES) io.stderr("\r\x1b[K");
  const catalogue = index.build("");
  const entries = [...catalogue.entries.values()];
  const complaints = distinct(sortComplaints([
    ...catalogue.complaints,
    ...entries.flatMap((entry) => (entry.type === "canary" ? entry.warnings : entry.complaints)),
  ]));
  const canaries = [...catalogue.entries].map(([key, { type }]) => ({ canary: key, ok: type === "canary" }));
  if (output === "json") {
    io.stdout(`${JSON.stringify({ files: files.length, canaries, complaints }, null, 2)}\n`);
  } else {
    const paint = painter(io);
    for (const complaint of complaints) io.stdout(complaintText(complaint, paint));
    const canaryWord = canaries.length === 1 ? "canary" : "canaries";
    io.stdout(`${files.length} files, ${canaries.length} ${canaryWord}: ${countText(complaints)}\n`);
  }
  const isStrict = args.switches.has("warnings-as-errors") && complaints.length > 0;
  return isStrict ? EXIT.refused : statusOf(complaints);
}

function defaultsOf(args: ParsedArgs, { defaults, routers, knownRouters }: Capabilities): Capabilities["defaults"] {
  const provider = args.values.get("provider") ?? defaults.provider;
  if (!routers.has(provider) && !knownRouters.includes(provider)) {
    const fix = `Known are ${[...routers.keys()].join(", ")}.`;
    throw new CliFailure(EXIT.usage, `Provider "${provider}" is not known`, fix);
  }
  return { provider, metricsServer: args.values.get("metrics-server") ?? defaults.metricsServer };
}

/** One thing is said once, though several canaries may trip over it. */
function distinct(complaints: readonly Complaint[]): readonly Complaint[] {
  const seen = new Set<string>();
  return complaints.filter(({ file, line, field, message }) => {
    const key = JSON.stringify([file, line, field, message]);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** Paths of manifests, in order. Links, `.git` and what the agent wrote itself are left out. */
async function filesUnder(root: string, io: CliIo): Promise<readonly string[]> {
  if (!await io.isDirectory(root)) return [root];
  const found: string[] = [];
  const walk = async (folder: string, depth: number): Promise<void> => {
    if (depth > DEPTH_MAX) throw new CliFailure(EXIT.refused, `Folders are nested over ${DEPTH_MAX} deep: "${folder}"`);
    const entries = [...await io.readDirectory(folder)].sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const { name, isDirectory, isFile } of entries) {
      const path = folder === "." ? name : `${folder.replace(/\/+$/, "")}/${name}`;
      if (isDirectory && name !== ".git" && name !== "node_modules") await walk(path, depth + 1);
      if (isFile && isManifestPath(path)) found.push(path);
      if (found.length > FILES_MAX) throw new CliFailure(EXIT.refused, `There are over ${FILES_MAX} manifests`);
    }
  };
  await walk(root, 0);
  return found;
}

async function readOrFail(path: string, io: CliIo): Promise<Uint8Array> {
  try {
    const bytes = await io.readFile(path);
    // What is too large is refused by the parser; a byte more than it reads shows that.
    return bytes.length > FILE_SIZE_MAX_BYTES ? bytes.subarray(0, FILE_SIZE_MAX_BYTES + 1) : bytes;
  } catch {
    throw new CliFailure(EXIT.usage, `Cannot read "${path}"`, "Check its name and its rights.");
  }
}
