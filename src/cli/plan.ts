/**
 * `serin plan`: what the agent would do about each canary of a clone, offline: for the working tree as it lies there, a
 * commit or a branch, beside the locks in it. Nothing is asked but the disk.
 */
import { loadConfig } from "../config/load_config.ts";
import type { AgentConfig } from "../config/agent_config.ts";
import type { Catalogue } from "../core/catalogue.ts";
import type { Json } from "../core/kube_object.ts";
import { LedgerFiles } from "../shell/ledger_files.ts";
import { isUnder, rootsOf } from "../shell/roots.ts";
import type { Capabilities } from "../spec/capabilities.ts";
import { isManifestPath } from "../spec/parse_file.ts";
import type { ParsedArgs } from "./args.ts";
import { type CliCommand, OUTPUT_OPTION, outputOf } from "./command.ts";
import { complaintText, countText, statusOf } from "./complaint_text.ts";
import { type Change, type Forecast, forecast, moves, type Outcome } from "./forecast.ts";
import { type SaidImage, saidOfLock } from "./live_forecast.ts";
import { CliFailure, type CliIo, EXIT } from "./io.ts";
import { catalogueOf, complaintsOf, DEFAULTS_OPTIONS, withDefaults } from "./manifest_files.ts";
import { type Colour, painter, printable } from "./paint.ts";
import { branchCommit, commitTree, isLedgerPath, type PlanTree, workingTree } from "./plan_tree.ts";

const CHANGES_SHOWN = 10;
const VALUE_CHARS_MAX = 120;

/** @param capabilities what this build can do; a configuration or flags change its defaults */
export function planCommand(capabilities: () => Capabilities): CliCommand {
  return {
    usage: {
      name: "plan",
      summary: "Say what a working tree, a commit or a branch would start, offline, beside the locks in it.",
      positionals: "[PATH]",
      positionalsMin: 0,
      positionalsMax: 1,
      options: [
        {
          name: "commit",
          value: "REVISION",
          help: "A commit of the clone, by local git; default: the files as they lie.",
        },
        { name: "branch", value: "NAME", help: "The tip of a branch of the clone, or of origin as last fetched." },
        { name: "cluster", value: "NAME", help: "Whose locks count: .serin/NAME. Needed where there are several." },
        { name: "paths", value: "PATH,...", help: "Folders that the source reads; default all." },
        {
          name: "config",
          value: "FILE",
          help:
            "The agent's configuration: cluster, provider, metricsServer, profiles, and paths where it has one source.",
        },
        ...DEFAULTS_OPTIONS,
        { name: "detailed-exit-code", help: "Exit with 5 where anything would change, and nothing is wrong." },
        OUTPUT_OPTION,
      ],
      examples: ["serin plan", "serin plan --branch main --cluster eu-1", "serin plan ../apps --commit HEAD~1 -o json"],
    },
    run: (args, io) => plan(args, io, capabilities()),
  };
}

async function plan(args: ParsedArgs, io: CliIo, built: Capabilities): Promise<number> {
  const output = outputOf(args);
  const config = await configOf(args, io);
  const capabilities = withDefaults(
    args,
    config === null ? built : { ...built, profiles: config.profiles, defaults: config },
  );
  const tree = await treeOf(args, io);
  const cluster = clusterOf(args.values.get("cluster") ?? config?.cluster ?? null, tree.paths);
  const roots = rootsOf(pathsOf(args, config));
  const isRead = (path: string) => isManifestPath(path) && roots.some((root) => isUnder(path, root));
  const paths = tree.paths.filter(isRead);
  const texts = new Map<string, Uint8Array>();
  const catalogue = await catalogueOf({
    paths,
    capabilities,
    commit: tree.commit ?? "",
    async read(path) {
      const bytes = await tree.read(path);
      texts.set(path, bytes);
      return bytes;
    },
  }, io);
  const ledger = await ledgerOf(tree, cluster);
  const text = (path: string) => new TextDecoder().decode(texts.get(path));
  const said = await saidOf(catalogue, ledger, tree);
  const canaries = forecast({ catalogue, ledger, text, isRead, said });
  const complaints = complaintsOf(catalogue);
  if (output === "json") {
    io.stdout(
      `${JSON.stringify({ cluster, commit: tree.commit, files: paths.length, canaries, complaints }, null, 2)}\n`,
    );
  } else {
    const paint = painter(io);
    for (const complaint of complaints) io.stdout(complaintText(complaint, paint));
    for (const one of canaries) io.stdout(forecastText(one, paint));
    io.stdout(`${summaryOf(canaries, { cluster, tree })}; ${countText(complaints)}\n`);
  }
  return statusFor(args, { canaries, errors: statusOf(complaints) !== EXIT.ok });
}

/** Of canaries that an engine renders, by name: values files may lie outside of the paths that are read. */
async function saidOf(
  { entries }: Catalogue,
  ledger: LedgerFiles,
  tree: PlanTree,
): Promise<ReadonlyMap<string, readonly SaidImage[]>> {
  const said = new Map<string, readonly SaidImage[]>();
  const known = new Set(tree.paths);
  const read = async (path: string) => known.has(path) ? new Uint8Array(await tree.read(path)) : undefined;
  for (const [key, entry] of entries) {
    if (entry.type !== "canary" || entry.release.rendering === undefined) continue;
    const view = ledger.lock(entry.canary.id);
    if (view.type !== "read" || view.value.lock.release.rendering === undefined) continue;
    said.set(key, await saidOfLock(entry, view.value.lock, { paths: tree.paths, read }));
  }
  return said;
}

function statusFor(
  args: ParsedArgs,
  { canaries, errors }: { readonly canaries: readonly Forecast[]; readonly errors: boolean },
): number {
  const isBad = errors || canaries.some(({ outcome }) => outcome === "stalled" || outcome === "reverted");
  if (isBad) return EXIT.refused;
  return args.switches.has("detailed-exit-code") && canaries.some(moves) ? EXIT.changes : EXIT.ok;
}

/** @throws {CliFailure} status 2 */
async function configOf(args: ParsedArgs, io: CliIo): Promise<AgentConfig | null> {
  const file = args.values.get("config");
  if (file === undefined) return null;
  const text = await io.readTextFile(file).catch(() => null);
  const loaded = text === null ? null : loadConfig({ text, file, flags: new Map(), env: {} }).config;
  if (loaded !== null) return loaded;
  const why = text === null ? "it cannot be read" : "it has errors";
  throw new CliFailure(
    EXIT.usage,
    `Cannot use the configuration "${file}": ${why}`,
    `See "serin config check ${file}".`,
  );
}

/** @throws {CliFailure} status 2 */
async function treeOf(args: ParsedArgs, io: CliIo): Promise<PlanTree> {
  const root = args.positionals[0] ?? ".";
  const [commit, branch] = [args.values.get("commit"), args.values.get("branch")];
  if (commit !== undefined && branch !== undefined) {
    throw new CliFailure(EXIT.usage, "Cannot plan a commit and a branch at once", "Give one of --commit and --branch.");
  }
  if (branch !== undefined) return await commitTree(root, await branchCommit(root, branch, io), io);
  return commit === undefined ? await workingTree(root, io) : await commitTree(root, commit, io);
}

/** null: the tree holds no locks at all. @throws {CliFailure} status 2: nobody said which of several clusters */
function clusterOf(given: string | null, paths: readonly string[]): string | null {
  if (given !== null) return given;
  const clusters = [...new Set(paths.filter(isLedgerPath).map((path) => path.split("/")[1] ?? ""))].sort();
  const [only, another] = clusters;
  if (another === undefined) return only ?? null;
  throw new CliFailure(
    EXIT.usage,
    `There are locks of ${clusters.length} clusters`,
    `Use --cluster ${clusters.join("|")}.`,
  );
}

function pathsOf(args: ParsedArgs, config: AgentConfig | null): readonly string[] {
  const [source, another] = config?.sources ?? [];
  const ofConfig = another === undefined ? source?.paths ?? [] : [];
  return args.values.get("paths")?.split(",") ?? ofConfig;
}

async function ledgerOf(tree: PlanTree, cluster: string | null): Promise<LedgerFiles> {
  const ledger = new LedgerFiles(cluster ?? "");
  for (const path of cluster === null ? [] : tree.paths.filter((path) => isUnder(path, ledger.folder))) {
    const content = await tree.read(path);
    ledger.update(path, content === null ? null : ledger.packed(content));
  }
  return ledger;
}

const WORDS: Readonly<Record<Outcome, readonly [text: string, colour: Colour]>> = {
  nothing: ["nothing", "dim"],
  "first-start": ["would be taken over", "green"],
  rollout: ["would start a rollout", "green"],
  waiting: ["would wait", "yellow"],
  reverted: ["would be reverted", "red"],
  stalled: ["would stall", "red"],
  removed: ["would be handed back", "yellow"],
  unknown: ["cannot be told", "yellow"],
};

function forecastText(one: Forecast, paint: ReturnType<typeof painter>): string {
  const [words, colour] = WORDS[one.outcome];
  const from = one.locked !== null && one.locked !== one.revision ? ` from ${one.locked}` : "";
  const what = one.revision === null ? "" : ` (revision ${one.revision}${from})`;
  const why = one.reason === "" ? "" : `: ${one.reason}`;
  const more = one.changes.length - CHANGES_SHOWN;
  const lines = [
    `${printable(one.canary)}: ${paint(colour, words)}${printable(what + why)}`,
    ...one.changes.slice(0, CHANGES_SHOWN).map((change) => `  ${printable(changeText(change))}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function changeText({ file, line, what, from, to }: Change): string {
  return `${file}:${line}: ${what}: ${shown(from)} -> ${shown(to)}`;
}

function shown(value: Json): string {
  if (value === null) return "(none)";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > VALUE_CHARS_MAX ? `${text.slice(0, VALUE_CHARS_MAX - 3)}...` : text;
}

function summaryOf(
  canaries: readonly Forecast[],
  { cluster, tree }: { readonly cluster: string | null; readonly tree: PlanTree },
): string {
  const told = Object.entries(WORDS).flatMap(([word, [text]]) => {
    const count = canaries.filter(({ outcome }) => outcome === word).length;
    return count === 0 ? [] : [`${count} ${text}`];
  });
  const what = tree.commit === null ? "working tree" : `commit ${tree.commit.slice(0, 10)}`;
  const where = cluster === null ? "no locks" : `cluster "${cluster}"`;
  return `${what}, ${where}: ${told.length === 0 ? "no canaries" : told.join(", ")}`;
}
