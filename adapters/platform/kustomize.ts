/**
 * Runs `kustomize build` on files that were looked up before, in a folder of this user's own that is gone afterwards. Its
 * plugins, Helm and remote bases are off: no flag asks for them, its environment has no PATH that a program could be
 * found on, and what names an address never gets here.
 */
import { RejectedError } from "../../src/errors.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Renderer, RenderInput, RenderOutput } from "../../src/ports/renderer.ts";
import { PrivateFolder } from "./git/private_folder.ts";
import { type ProgramEnd, runProgram } from "./git/run_program.ts";

/** Much more than a kustomization of a release needs. */
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
/** It says nothing until it is done, so this bounds the whole build. */
const TIMEOUT_MS = 30_000;

export interface KustomizeOptions {
  readonly clock: Clock;
  /** Name or path of the program; "kustomize" on the PATH unless told otherwise. */
  readonly program?: string;
  readonly timeoutMs?: number;
}

/** The renderer that runs the kustomize binary. */
export function openKustomize(options: KustomizeOptions): Renderer {
  return { id: "kustomize", render: (input, signal) => render(input, options, signal) };
}

async function render(
  input: RenderInput,
  options: KustomizeOptions,
  signal: AbortSignal | undefined,
): Promise<RenderOutput> {
  signal?.throwIfAborted();
  let folder: PrivateFolder | undefined;
  try {
    folder = await PrivateFolder.create("kustomize");
    await folder.writeAll(input.files);
    return outputOf(await build(folder, input, { ...options, signal }), folder);
  } catch (error) {
    if (signal?.aborted) throw error;
    return unavailable(error);
  } finally {
    await folder?.remove();
  }
}

async function build(
  folder: PrivateFolder,
  { folder: root }: RenderInput,
  { clock, program = "kustomize", timeoutMs = TIMEOUT_MS, signal }: KustomizeOptions & {
    readonly signal: AbortSignal | undefined;
  },
): Promise<ProgramEnd> {
  return await runProgram({
    program,
    args: [
      "build",
      "--load-restrictor",
      "LoadRestrictionsRootOnly",
      root === "" ? folder.path : `${folder.path}/${root}`,
    ],
    // It looks for plugins under its home, even where none are asked for.
    env: { HOME: folder.path },
    stdin: new Uint8Array(),
    outputBytesMax: OUTPUT_BYTES_MAX,
    timeoutMs,
    clock,
    signal,
  });
}

function outputOf({ code, output, words, cut }: ProgramEnd, folder: PrivateFolder): RenderOutput {
  if (cut !== undefined) {
    const reason = `kustomize was stopped: ${cut.why}`;
    return { type: cut.isTooLarge ? "refused" : "unavailable", reason, fix: "Make the kustomization smaller" };
  }
  if (code === 0) return { type: "rendered", content: output };
  // The folder's name would be another one each time.
  const said = words.replaceAll(`${folder.path}/`, "").replaceAll(folder.path, ".").split("\n")
    .map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("# Warning")).join(" ");
  return {
    type: "refused",
    reason: `kustomize cannot build it: ${said === "" ? `exit ${code}` : said.replace(/^Error: /, "").slice(0, 500)}`,
    fix: "Run `kustomize build` there, and mend what it says",
  };
}

function unavailable(error: unknown): RenderOutput {
  const reason = error instanceof Error ? error.message : String(error);
  const fix = error instanceof RejectedError ? error.fix : undefined;
  return { type: "unavailable", reason, fix: fix ?? "See to the machine's memory and temporary files" };
}
