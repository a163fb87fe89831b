/** What the command line may touch of the machine, handed in by the program, so that a test can look at all of it. */
import type { Clock } from "../ports/clock.ts";

export interface DirectoryEntry {
  readonly name: string;
  readonly isFile: boolean;
  readonly isDirectory: boolean;
}

export interface CliIo {
  /** Results; text as it is, without a newline added. */
  readonly stdout: (text: string) => void;
  /** Progress, warnings and errors. */
  readonly stderr: (text: string) => void;
  /** An environment variable; undefined when it is not set, or may not be read. */
  readonly env: (name: string) => string | undefined;
  /** Rejects when there is no such file. */
  readonly readTextFile: (path: string) => Promise<string>;
  readonly readFile: (path: string) => Promise<Uint8Array>;
  /** Rejects when it is no directory. Links are neither files nor directories here. */
  readonly readDirectory: (path: string) => Promise<readonly DirectoryEntry[]>;
  readonly isDirectory: (path: string) => Promise<boolean>;
  /**
   * Runs the local git in a folder, without any network; what it writes to standard output.
   * @throws {CliFailure} git cannot be run here; {Error} git's own complaint
   */
  readonly git: (folder: string, args: readonly string[], input?: string) => Promise<Uint8Array>;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly clock: Clock;
  /** Whether a person looks at stdout: colours and progress. */
  readonly isTerminal: boolean;
}

/** What the program exits with. */
export const EXIT = {
  ok: 0,
  /** The agent refused, or errors were found. */
  refused: 1,
  /** The command line is wrong. */
  usage: 2,
  /** No agent answers at the address, or it cannot now. */
  unreachable: 3,
  /** The token is missing, not known, or has not the role. */
  denied: 4,
  /** Something would change; only where that was asked to be told apart. */
  changes: 5,
} as const;

/** Ends a command with a status and words for stderr. */
export class CliFailure extends Error {
  readonly status: number;
  readonly fix: string | null;

  constructor(status: number, message: string, fix: string | null = null) {
    super(message);
    this.name = "CliFailure";
    this.status = status;
    this.fix = fix;
  }
}
