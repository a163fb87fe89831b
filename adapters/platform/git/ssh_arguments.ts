/**
 * What the ssh program is told. Nothing of the machine's own configuration counts, no question is ever asked, a server
 * that is not known is never talked to, and no secret stands here: arguments can be read by anybody on the machine.
 *
 * @see ssh(1), ssh_config(5)
 */
import type { SshAddress } from "./remote_address.ts";

export interface SshFiles {
  readonly keyFile: string;
  readonly knownHostsFile: string;
  /** Where programs that share one connection meet. */
  readonly controlPath: string;
}

export interface SshTarget {
  readonly address: SshAddress;
  /** Where the address does not say; "git" by default. */
  readonly username?: string | undefined;
  readonly files: SshFiles;
  /** How long a connection may take to be made, seconds. */
  readonly connectTimeoutS: number;
}

/** How long a connection that nobody uses stays open, seconds: longer than the time between two polls. */
const SHARED_SECONDS = 90;
/** Sockets have names of at most 104 characters on some systems, and ssh adds a suffix while it makes one. */
const CONTROL_PATH_CHARS_MAX = 80;

/** Arguments that run a command on the server. */
export function sshArguments(target: SshTarget, command: string): readonly string[] {
  return [...connection(target), "--", destination(target), command];
}

/** Arguments that end the shared connection. */
export function sshEndArguments(target: SshTarget): readonly string[] {
  return [...connection(target), "-O", "exit", "--", destination(target)];
}

/** A service of Git on the server, with the path in single quotes, as servers without a shell want it too. */
export function remoteCommand(service: string, path: string): string {
  return `${service} '${path.replaceAll("'", `'\\''`)}'`;
}

function connection({ address, files, connectTimeoutS }: SshTarget): readonly string[] {
  const options = [
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    `UserKnownHostsFile=${files.knownHostsFile}`,
    "GlobalKnownHostsFile=/dev/null",
    "UpdateHostKeys=no",
    "VerifyHostKeyDNS=no",
    `IdentityFile=${files.keyFile}`,
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "PreferredAuthentications=publickey",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "LogLevel=ERROR",
    `ConnectTimeout=${connectTimeoutS}`,
    "ServerAliveInterval=15",
    "ServerAliveCountMax=3",
    "SendEnv=GIT_PROTOCOL",
    ...(files.controlPath.length > CONTROL_PATH_CHARS_MAX
      ? []
      : ["ControlMaster=auto", `ControlPath=${files.controlPath}`, `ControlPersist=${SHARED_SECONDS}`]),
  ];
  const port = address.port === null ? [] : ["-p", String(address.port)];
  return ["-F", "none", "-T", ...options.flatMap((option) => ["-o", option]), ...port];
}

function destination({ address, username }: SshTarget): string {
  // ssh takes an IPv6 address without its brackets.
  return `${address.user ?? username ?? "git"}@${address.host.replace(/^\[(.*)\]$/, "$1")}`;
}
