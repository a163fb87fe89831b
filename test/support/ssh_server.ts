/**
 * A real sshd on loopback, one process a connection, with Git behind it. Connections go through this process, which counts
 * them, holds them up and cuts them. Where sshd wants things of a machine that only an installed one has (a user "sshd", a
 * folder under /run), it gets them in a mount namespace of its own.
 */
import { cacheFolder } from "../servers/install.ts";
import { isFile, onPath } from "../servers/commands.ts";
import { type MadeKey, makeSshKey } from "./ssh_keys.ts";

/** What passes through to the server, and how. */
export type SshFault =
  /** The server's bytes stop coming. */
  | { readonly type: "hang" }
  /** The connection ends after so many bytes of the server's, counted from now. */
  | { readonly type: "cut"; readonly bytes: number };

export interface SshServerOptions {
  readonly program: string;
  /** For keys and settings; exists. */
  readonly folder: string;
  /** Without it, Git's protocol v2 is never asked for. */
  readonly acceptsProtocol?: boolean;
}

export class SshServer {
  fault: SshFault | undefined;
  /** How many connections there have been. */
  connections = 0;
  /** How many there are. */
  open = 0;
  /** What a client must log in with. */
  readonly key: MadeKey;
  /** The line that names this server. */
  readonly knownHosts: string;
  readonly user: string;
  readonly #options: SshServerOptions;
  readonly #listener: Deno.TcpListener;
  readonly #running = new Set<Promise<void>>();
  readonly #children = new Set<Deno.ChildProcess>();
  readonly #sockets = new Set<Deno.TcpConn>();
  readonly #accepting: Promise<void>;
  #passedBytes = 0;

  private constructor(options: SshServerOptions, parts: { key: MadeKey; host: MadeKey; user: string }) {
    this.#options = options;
    this.key = parts.key;
    this.user = parts.user;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.knownHosts = `[127.0.0.1]:${this.#listener.addr.port} ${parts.host.publicText}\n`;
    this.#accepting = this.#accept();
  }

  static async start(options: SshServerOptions): Promise<SshServer> {
    const { folder } = options;
    const [key, host] = [await makeSshKey("client"), await makeSshKey("host")];
    await Deno.writeTextFile(`${folder}/host_key`, host.privateText, { mode: 0o600 });
    await Deno.writeTextFile(`${folder}/authorized_keys`, `${key.publicText}\n`);
    const settings = [
      `HostKey ${folder}/host_key`,
      `AuthorizedKeysFile ${folder}/authorized_keys`,
      "PidFile none",
      "UsePAM no",
      "StrictModes no",
      "PasswordAuthentication no",
      "KbdInteractiveAuthentication no",
      "PermitRootLogin prohibit-password",
      ...(options.acceptsProtocol === false ? [] : ["AcceptEnv GIT_PROTOCOL"]),
    ];
    await Deno.writeTextFile(`${folder}/sshd_config`, `${settings.join("\n")}\n`);
    const passwd = await Deno.readTextFile("/etc/passwd");
    await Deno.writeTextFile(`${folder}/passwd`, `${passwd.trimEnd()}\nsshd:x:65533:65534::/run/sshd:/bin/false\n`);
    return new SshServer(options, { key, host, user: await whoAmI("-un") });
  }

  /** The address of a repository, by its absolute path. */
  url(path: string): string {
    return `ssh://${this.user}@127.0.0.1:${this.#listener.addr.port}${path}`;
  }

  /** Who may log in from now on, as lines of authorized_keys. */
  async authorize(...lines: readonly string[]): Promise<void> {
    await Deno.writeTextFile(`${this.#options.folder}/authorized_keys`, `${lines.join("\n")}\n`);
  }

  /** Applies a fault to what passes from now on, on connections that are open too. */
  spoil(fault: SshFault | undefined): void {
    this.fault = fault;
    this.#passedBytes = 0;
  }

  async close(): Promise<void> {
    this.#listener.close();
    for (const child of this.#children) killed(child);
    for (const socket of this.#sockets) ended(socket);
    await this.#accepting;
    await Promise.all(this.#running);
  }

  async #accept(): Promise<void> {
    for await (const socket of this.#listener) {
      this.connections++;
      this.open++;
      const running = this.#serve(socket).finally(() => {
        this.open--;
        this.#running.delete(running);
      });
      this.#running.add(running);
    }
  }

  async #serve(socket: Deno.TcpConn): Promise<void> {
    const child = new Deno.Command(...await command(this.#options)).spawn();
    this.#children.add(child);
    this.#sockets.add(socket);
    const up = socket.readable.pipeTo(child.stdin).catch(() => killed(child));
    try {
      const writer = socket.writable.getWriter();
      for await (const chunk of child.stdout) {
        if (this.fault?.type === "hang") continue;
        this.#passedBytes += chunk.length;
        if (this.fault?.type === "cut" && this.#passedBytes > this.fault.bytes) break;
        await writer.write(chunk);
      }
    } catch {
      // The client has left.
    } finally {
      killed(child);
      ended(socket);
      await child.status;
      await up;
      this.#children.delete(child);
      this.#sockets.delete(socket);
    }
  }
}

async function command({ program, folder }: SshServerOptions): Promise<[string, Deno.CommandOptions]> {
  const env = { LD_LIBRARY_PATH: program.slice(0, program.lastIndexOf("/")) };
  const common = { env, stdin: "piped", stdout: "piped", stderr: "null" } as const;
  const args = ["-i", "-f", `${folder}/sshd_config`];
  if (!await needsNamespace()) return [program, { ...common, args }];
  const prepare = `mount -t tmpfs tmpfs /run && mkdir /run/sshd && mount --bind "$0/passwd" /etc/passwd && exec "$@"`;
  return ["unshare", { ...common, args: ["--mount", "sh", "-c", prepare, folder, program, ...args] }];
}

/** The name or number of this user, as id(1) says it: asking the runtime would take one more permission. */
async function whoAmI(what: "-u" | "-un"): Promise<string> {
  const { stdout } = await new Deno.Command("id", { args: [what] }).output();
  return new TextDecoder().decode(stdout).trim();
}

/** Only a server of root's needs the user and the folder. */
async function needsNamespace(): Promise<boolean> {
  if (await whoAmI("-u") !== "0") return false;
  const hasUser = /^sshd:/m.test(await Deno.readTextFile("/etc/passwd"));
  return !hasUser || !await Deno.stat("/run/sshd").then((found) => found.isDirectory, () => false);
}

/** The sshd of this machine, or of `deno task servers`; else why the tests that need one are left out. */
export async function findSshd(): Promise<{ readonly program: string } | { readonly missing: string }> {
  for (const tool of ["ssh", "git"]) {
    if (await onPath(tool) === undefined) return { missing: `"${tool}" is not on the PATH` };
  }
  const program = await onPath("sshd") ?? await firstFile(["/usr/sbin/sshd", ...await cached()]);
  if (program === undefined) {
    return { missing: "there is no sshd: install openssh-server, or run `deno task servers sshd`" };
  }
  if (await needsNamespace()) {
    const works = await new Deno.Command("unshare", { args: ["--mount", "true"], stderr: "null" }).output()
      .then(({ success }) => success, () => false);
    if (!works) return { missing: "sshd is not installed as a service, and this machine allows no mount namespace" };
  }
  return { program };
}

async function cached(): Promise<readonly string[]> {
  const found: string[] = [];
  try {
    for await (const { name } of Deno.readDir(cacheFolder())) {
      if (name.startsWith("sshd-") && !name.includes(".draft")) found.push(`${cacheFolder()}/${name}/sshd`);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found.sort();
}

async function firstFile(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await isFile(path)) return path;
  return undefined;
}

function killed(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}

function ended(socket: Deno.TcpConn): void {
  try {
    socket.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
