/**
 * Runs a program of this machine with bytes in and bytes out: bounded in size and time, with an environment of its own,
 * and ended for good when the caller gives up. What its exit means is for the caller to say.
 */
import { RejectedError } from "../../../src/errors.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import { concatBytes } from "./pkt_line.ts";
import { Watchdog } from "./watchdog.ts";

/** How much is kept of what a program says of itself, bytes. */
const WORDS_BYTES_MAX = 8192;

export interface ProgramRun {
  /** "ssh", "gpg", "kustomize": found on the PATH; or a path. */
  readonly program: string;
  /** Never secrets: anybody on the machine can read them. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin: Uint8Array<ArrayBuffer>;
  readonly outputBytesMax: number;
  /** How long it may be silent, milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

export interface ProgramEnd {
  readonly code: number;
  readonly output: Uint8Array<ArrayBuffer>;
  /** What it wrote to stderr, trimmed. */
  readonly words: string;
  /** Why it was cut off, when it was: too long, too much. */
  readonly cut: { readonly why: string; readonly isTooLarge: boolean } | undefined;
}

/**
 * @throws {RejectedError} the program is not there, or may not be run; `data.reason` is "no-program"
 * @throws the signal's reason when it is aborted
 */
export async function runProgram(run: ProgramRun): Promise<ProgramEnd> {
  run.signal?.throwIfAborted();
  const child = spawn(run);
  const watch = new Watchdog(run.clock, run.timeoutMs, run.signal);
  const [output, words] = [child.stdout.getReader(), child.stderr.getReader()];
  // What the program started may hold its pipes open beyond its end, so they are let go as well.
  const kill = () => {
    killed(child);
    for (const reader of [output, words]) reader.cancel().catch(() => undefined);
  };
  watch.signal.addEventListener("abort", kill, { once: true });
  try {
    const [read, said, { code }] = await Promise.all([
      readAll(output, run.outputBytesMax, { progress: () => watch.progress(), kill }),
      readWords(words),
      child.status,
      write(child.stdin, run.stdin),
    ]);
    run.signal?.throwIfAborted();
    const tooLarge = read.isTooLarge ? `its answer has more than ${run.outputBytesMax} bytes` : undefined;
    const why = tooLarge ?? watch.expired;
    return {
      code,
      output: read.bytes,
      words: said.trim(),
      cut: why === undefined ? undefined : { why, isTooLarge: read.isTooLarge },
    };
  } finally {
    watch.stop();
    watch.signal.removeEventListener("abort", kill);
  }
}

function spawn({ program, args, env }: ProgramRun): Deno.ChildProcess {
  try {
    return new Deno.Command(program, {
      args: [...args],
      clearEnv: true,
      env: { LC_ALL: "C", ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (cause) {
    const isForbidden = cause instanceof Deno.errors.NotCapable || cause instanceof Deno.errors.PermissionDenied;
    if (!isForbidden && !(cause instanceof Deno.errors.NotFound)) throw cause;
    const why = isForbidden ? `this process may not run "${program}"` : `there is no program "${program}" here`;
    throw new RejectedError(`Cannot run "${program}": ${why}`, {
      fix: isForbidden
        ? `Start the agent with --allow-run=${program}; docs/security.md says how.`
        : `Use an image that has "${program}"; docs/security.md says how.`,
      data: { reason: "no-program", program },
      cause,
    });
  }
}

function killed(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    // It has ended by itself.
    if (!(error instanceof TypeError)) throw error;
  }
}

async function write(stdin: WritableStream<Uint8Array<ArrayBuffer>>, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  const writer = stdin.getWriter();
  try {
    if (bytes.length > 0) await writer.write(bytes);
    await writer.close();
  } catch {
    // A program that ends without reading its input says why by its exit and its words.
    await writer.abort().catch(() => undefined);
  }
}

async function readAll(
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>,
  bytesMax: number,
  on: { readonly progress: () => void; readonly kill: () => void },
) {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (let { value } = await reader.read(); value !== undefined; { value } = await reader.read()) {
    on.progress();
    size += value.length;
    if (size <= bytesMax) chunks.push(value);
    else on.kill();
  }
  const isTooLarge = size > bytesMax;
  return { bytes: isTooLarge ? new Uint8Array(0) : concatBytes(chunks), isTooLarge };
}

async function readWords(reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (let { value } = await reader.read(); value !== undefined; { value } = await reader.read()) {
    if (size < WORDS_BYTES_MAX) chunks.push(value.subarray(0, WORDS_BYTES_MAX - size));
    size += value.length;
  }
  return new TextDecoder().decode(concatBytes(chunks));
}
