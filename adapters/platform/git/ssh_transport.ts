/**
 * Git's protocol through the ssh program: each exchange runs the service on the server, over one connection that they
 * share. The server begins every conversation by saying what it can do, so a request can be sent without waiting for it.
 */
import { BugError, InvalidSpecError, RejectedError, SerinError, UnavailableError } from "../../../src/errors.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import { type GitAccess, type GitAccessSource, readAccess, type SshAccess } from "./access.ts";
import { AnswerFault, FLUSH, readPackets } from "./pkt_line.ts";
import { PrivateFolder } from "./private_folder.ts";
import type { SshAddress } from "./remote_address.ts";
import { runProgram } from "./run_program.ts";
import { remoteCommand, sshArguments, sshEndArguments, type SshTarget } from "./ssh_arguments.ts";
import { sshError } from "./ssh_errors.ts";
import { isKeyWithPassphrase } from "./ssh_keys.ts";
import type { GitTransport, Service } from "./transport.ts";

export interface SshTransportOptions {
  readonly address: SshAddress;
  readonly access?: GitAccessSource;
  /** How long the server may be silent, milliseconds. */
  readonly timeoutMs: number;
  /** Bound on one answer, bytes. */
  readonly answerBytesMax: number;
  readonly clock: Clock;
}

/** How long one connection is shared: after that the server looks at the key again. */
const CONNECTION_MS_MAX = 15 * 60_000;
const END_TIMEOUT_MS = 5_000;

/** Files and the connection that go with one access. */
interface Opened {
  /** What they were made from. */
  readonly access: SshAccess;
  readonly folder: PrivateFolder;
  readonly target: SshTarget;
  readonly openedMs: number;
}

export class SshTransport implements GitTransport {
  readonly #options: SshTransportOptions;
  #opened: Opened | undefined;
  #isClosed = false;

  constructor(options: SshTransportOptions) {
    this.#options = options;
  }

  advertise(service: Service, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    // A flush alone says that nothing is wanted, and the service ends.
    return this.#run(service, FLUSH, signal);
  }

  async exchange(service: Service, body: Uint8Array<ArrayBuffer>, signal?: AbortSignal) {
    const whole = await this.#run(service, body, signal);
    return whole.subarray(endOfFirstFlush(whole));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#end();
  }

  async #run(service: Service, stdin: Uint8Array<ArrayBuffer>, signal: AbortSignal | undefined) {
    const { address, clock, timeoutMs, answerBytesMax } = this.#options;
    const target = await this.#target(signal);
    const { code, output, words, cut } = await runProgram({
      program: "ssh",
      args: sshArguments(target, remoteCommand(service, address.path)),
      env: service === "git-upload-pack" ? { GIT_PROTOCOL: "version=2" } : {},
      stdin,
      outputBytesMax: answerBytesMax,
      timeoutMs,
      clock,
      signal,
    });
    if (cut !== undefined) {
      // Whatever hangs may be the connection that later exchanges would share.
      await this.#end();
      throw this.#unavailable(cut.why, cut.isTooLarge);
    }
    if (code === 0) return output;
    const said = hasAnswer(output);
    // The server's own words stand in what it sent; whoever reads that finds a cut answer too.
    if (said && code !== 255) return output;
    const failure = sshError({ code, words, shown: address.shown });
    if (!said || failure instanceof UnavailableError) throw failure;
    // What began to answer did not refuse us.
    throw this.#unavailable(failure.message, false);
  }

  async #target(signal: AbortSignal | undefined): Promise<SshTarget> {
    const { address, clock, timeoutMs } = this.#options;
    const access = sshAccess(await readAccess(this.#options.access, { shown: address.shown, signal }), address.shown);
    if (this.#isClosed) throw new BugError(`Cannot use Git remote "${address.shown}": it is closed`);
    const known = this.#opened;
    const isOld = known !== undefined && clock.monotonic() - known.openedMs > CONNECTION_MS_MAX;
    if (known !== undefined && !isOld && isSame(known.access, access)) return known.target;
    await this.#end();
    const folder = await PrivateFolder.create("ssh");
    const files = {
      keyFile: await folder.write("key", withLastNewline(access.privateKey)),
      knownHostsFile: await folder.write("known_hosts", withLastNewline(access.knownHosts)),
      controlPath: `${folder.path}/c`,
    };
    const target = { address, username: access.username, files, connectTimeoutS: Math.ceil(timeoutMs / 1000) };
    this.#opened = { access, folder, target, openedMs: clock.monotonic() };
    return target;
  }

  /** Ends the shared connection and removes the key; at worst the connection ends by itself a little later. */
  async #end(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    if (opened === undefined) return;
    try {
      await runProgram({
        program: "ssh",
        args: sshEndArguments(opened.target),
        stdin: new Uint8Array(0),
        outputBytesMax: 1000,
        timeoutMs: END_TIMEOUT_MS,
        clock: this.#options.clock,
      });
    } catch (error) {
      // Without the program there is no connection either.
      if (!(error instanceof RejectedError)) throw error;
    } finally {
      await opened.folder.remove();
    }
  }

  #unavailable(why: string, isTooLarge: boolean): SerinError {
    return new UnavailableError(`Cannot read Git remote "${this.#options.address.shown}": ${why}`, {
      fix: isTooLarge
        ? "Raise the bound on fetched bytes, or keep large files out of this repository."
        : "Check that the server can be reached from here.",
    });
  }
}

/** Where the server's opening words end; 0 when they do not. */
function endOfFirstFlush(bytes: Uint8Array<ArrayBuffer>): number {
  let at = 0;
  for (const packet of readPackets(bytes)) {
    at += packet.type === "data" ? packet.bytes.length + 4 : 4;
    if (packet.type === "flush") return at;
  }
  return 0;
}

/** Whether there is more than the server's opening words. */
function hasAnswer(output: Uint8Array<ArrayBuffer>): boolean {
  try {
    return output.length > endOfFirstFlush(output);
  } catch (error) {
    if (!(error instanceof AnswerFault)) throw error;
    return true;
  }
}

/** @throws {InvalidSpecError} there is no key, no host key, or a key that asks for a passphrase */
function sshAccess({ ssh }: GitAccess, shown: string): SshAccess {
  const refuse = (why: string, fix: string) => {
    throw new InvalidSpecError(`Cannot use Git remote "${shown}": ${why}`, { fix });
  };
  if (ssh === undefined || ssh.privateKey.trim() === "") {
    return refuse("there is no SSH key for it", 'Configure "auth.sshKeyFile" or a Secret with "identity".');
  }
  if (ssh.knownHosts.trim() === "") {
    return refuse(
      "there are no known hosts, and a server that is not known is never talked to",
      'Configure "auth.knownHostsFile" or a Secret with "known_hosts".',
    );
  }
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(ssh.privateKey)) {
    return refuse("what is configured as SSH key is no private key", "Give the private key, not the public one.");
  }
  if (isKeyWithPassphrase(ssh.privateKey)) {
    return refuse("its SSH key has a passphrase", "Make a deploy key without one: ssh-keygen -t ed25519 -N ''.");
  }
  return ssh;
}

function isSame(a: SshAccess, b: SshAccess): boolean {
  return a.privateKey === b.privateKey && a.knownHosts === b.knownHosts && a.username === b.username;
}

/** Secrets often lose the last newline, and keys pasted elsewhere gain carriage returns; ssh wants neither. */
function withLastNewline(text: string): string {
  return `${text.replaceAll("\r\n", "\n").trim()}\n`;
}
