/**
 * Servers as child processes: each writes its own log, is known by its id, and is ended by it. Ending is a SIGKILL, since
 * an API server that is asked politely drains for up to a minute.
 */
import { until } from "../support/until.ts";

export interface Program {
  readonly name: string;
  readonly path: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Folder it runs in; the run's own unless told otherwise. */
  readonly cwd?: string;
}

export interface Running {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  readonly alive: boolean;
  /** Resolves with the exit status. */
  readonly ended: Promise<number>;
  signal(signal: Deno.Signal): void;
  /** Ends it at once and waits for its end. */
  kill(): Promise<void>;
}

/** Sends everything a program says into its log; the shell becomes the program, so that the id is the program's. */
const WITH_LOG = 'log=$1; shift; exec setsid "$@" >>"$log" 2>&1 </dev/null';

export class Processes {
  readonly #folder: string;
  readonly #running: Set<Running>;

  /** @param folder for logs; it must exist */
  constructor(folder: string, running = new Set<Running>()) {
    this.#folder = folder;
    this.#running = running;
  }

  /** The same processes, of which those started here log into another folder. */
  within(folder: string): Processes {
    return new Processes(folder, this.#running);
  }

  get all(): readonly Running[] {
    return [...this.#running];
  }

  start(program: Program): Running {
    const logFile = `${this.#folder}/${program.name}.log`;
    const child = new Deno.Command("sh", {
      args: ["-c", WITH_LOG, "sh", logFile, program.path, ...program.args],
      cwd: program.cwd ?? this.#folder,
      env: { ...program.env },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    let alive = true;
    const ended = child.status.then(({ code }) => {
      alive = false;
      this.#running.delete(running);
      return code;
    });
    const signal = (name: Deno.Signal): void => {
      if (alive) child.kill(name);
    };
    const running: Running = {
      name: program.name,
      pid: child.pid,
      logFile,
      get alive() {
        return alive;
      },
      ended,
      signal,
      async kill() {
        signal("SIGKILL");
        await ended;
      },
    };
    this.#running.add(running);
    return running;
  }

  /** The newest first: those that lean on others go before them. */
  async killAll(): Promise<void> {
    for (const running of this.all.toReversed()) await running.kill();
  }
}

/**
 * Waits until a server answers.
 *
 * @throws {Error} it ended, or did not answer in time; with the end of its log
 */
export async function untilUp(
  running: Running,
  answers: () => Promise<boolean>,
  timeoutMs = 60_000,
): Promise<void> {
  const met = async (): Promise<boolean> => {
    if (!running.alive) throw new Error("it has ended");
    return await answers().catch(() => false);
  };
  await until(`${running.name} answers`, met, timeoutMs).catch(async (error) => {
    const log = (await Deno.readTextFile(running.logFile).catch(() => "")).trim().split("\n").slice(-12).join("\n");
    throw new Error(`Cannot start ${running.name}: ${error instanceof Error ? error.message : error}\n${log}`);
  });
}

/** Whether a GET is answered 200. */
export async function answersOk(url: string, init?: RequestInit & { client?: Deno.HttpClient }): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(2_000), ...init });
  await response.body?.cancel();
  return response.status === 200;
}
