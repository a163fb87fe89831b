/** `serin lint PATH`: reads a repository's folder as the agent would, offline, and says all that is wrong with it. */
import type { Capabilities } from "../spec/capabilities.ts";
import { isManifestPath } from "../spec/parse_file.ts";
import type { ParsedArgs } from "./args.ts";
import { type CliCommand, OUTPUT_OPTION, outputOf } from "./command.ts";
import { complaintText, countText, statusOf } from "./complaint_text.ts";
import { type CliIo, EXIT } from "./io.ts";
import { catalogueOf, complaintsOf, DEFAULTS_OPTIONS, filesUnder, readOrFail, withDefaults } from "./manifest_files.ts";
import { painter } from "./paint.ts";

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
        ...DEFAULTS_OPTIONS,
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
  const capabilities = withDefaults(args, built);
  const paths = await filesUnder(args.positionals[0] ?? ".", io, isManifestPath);
  const catalogue = await catalogueOf(
    { paths, read: (path) => readOrFail(path, io), capabilities, commit: "" },
    io,
  );
  const complaints = complaintsOf(catalogue);
  const canaries = [...catalogue.entries].map(([key, { type }]) => ({ canary: key, ok: type === "canary" }));
  if (output === "json") {
    io.stdout(`${JSON.stringify({ files: paths.length, canaries, complaints }, null, 2)}\n`);
  } else {
    const paint = painter(io);
    for (const complaint of complaints) io.stdout(complaintText(complaint, paint));
    const canaryWord = canaries.length === 1 ? "canary" : "canaries";
    io.stdout(`${paths.length} files, ${canaries.length} ${canaryWord}: ${countText(complaints)}\n`);
  }
  const isStrict = args.switches.has("warnings-as-errors") && complaints.length > 0;
  return isStrict ? EXIT.refused : statusOf(complaints);
}
