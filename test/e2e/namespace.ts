/**
 * A network and process namespace that the run itself makes: pods get addresses that exist nowhere else, nothing in it
 * has a way out, and when its first process ends, all others end with it, whatever happened.
 */
import { MissingToolError, onPath } from "../servers/commands.ts";
import { firstChildOf } from "./keep.ts";
import { FIRST_SITE, hostOf, SECOND_SITE } from "./site.ts";

/** Set for the process inside; not "SERIN_…", which would be a field of the agent's configuration. */
const MARK = "E2E_INSIDE_NAMESPACE";

export function isInside(): boolean {
  return Deno.env.get(MARK) === "1";
}

/** Addresses of nodes and pods are all on the namespace's loopback device. */
const ADDRESSES = [FIRST_SITE, SECOND_SITE].map((site) => `ip addr add ${hostOf(site)}/16 dev lo`).join(" && ");
const PREPARE = `ip link set lo up && ${ADDRESSES} && mount -t tmpfs tmpfs /run && exec "$@"`;

/** What a user without root gets by a user namespace. */
function unshareArgs(): readonly string[] {
  const rights = Deno.uid() === 0 ? [] : ["--map-root-user"];
  // /run is its own, so that a service account can be mounted where a pod has it.
  return ["--net", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc", ...rights];
}

/** @throws {MissingToolError} a tool is missing, or the machine does not allow it */
export async function checkNamespaces(): Promise<void> {
  for (const tool of ["unshare", "setpriv", "ip", "mount"]) {
    if (await onPath(tool) === undefined) {
      throw new MissingToolError(`"${tool}" is not on the PATH. Install util-linux and iproute2`);
    }
  }
  const { success, stderr } = await namespaced(["true"]).output();
  if (success) return;
  throw new MissingToolError(
    `This machine does not allow a network namespace (${new TextDecoder().decode(stderr).trim()}). ` +
      "Run as root, or allow unprivileged user namespaces",
  );
}

/** Runs this program anew, inside, and tells each line that it says. @returns its exit status */
export async function runInside(
  script: string,
  args: readonly string[],
  options: {
    readonly told: (line: string) => void;
    /** Called with the id, out here, of the first process inside. */
    readonly entered?: ((pid: number) => Promise<void>) | undefined;
    /** Aborted when this process is asked to end: the one inside is asked as well, and takes its time. */
    readonly interrupted?: AbortSignal;
  },
): Promise<number> {
  const child = namespaced([Deno.execPath(), "run", "--allow-all", script, ...args]).spawn();
  const { told, entered, interrupted } = options;
  const lines = [tellLines(child.stdout, told), tellLines(child.stderr, told)];
  const pass = (): void => void passOn(child.pid);
  interrupted?.addEventListener("abort", pass);
  try {
    if (entered !== undefined) await entered(await firstChildOf(child.pid));
    const [{ code }] = await Promise.all([child.status, ...lines]);
    return code;
  } finally {
    interrupted?.removeEventListener("abort", pass);
  }
}

/** A terminal's Ctrl-C reaches the first process inside by itself, and one that is sent to this process alone does not. */
async function passOn(unshare: number): Promise<void> {
  try {
    Deno.kill(await firstChildOf(unshare), "SIGINT");
  } catch (error) {
    // It has ended by now.
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function tellLines(stream: ReadableStream<Uint8Array<ArrayBuffer>>, told: (line: string) => void): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = `${rest}${text}`.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) told(line);
  }
  if (rest !== "") told(rest);
}

/** Should this process be killed, the kernel kills unshare, which kills everything inside. */
function namespaced(command: readonly string[]): Deno.Command {
  return new Deno.Command("setpriv", {
    args: ["--pdeathsig", "KILL", "unshare", ...unshareArgs(), "sh", "-c", PREPARE, "sh", ...command],
    env: { [MARK]: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
}
