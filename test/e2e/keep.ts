/**
 * `--keep`: what a suite started stays up until Ctrl-C, and a person looks around in it. Out here there is a port for the
 * agent's page, and a script that runs any command inside; the process inside says what to ask.
 */
import { until } from "../support/until.ts";
import { type Door, openInside, openOutside } from "./door.ts";

/** What leads from out here to the inside: a folder with the script and the page's socket, and the page's port. */
export interface Ways {
  readonly folder: string;
  readonly pagePort: number;
}

export interface OpenWays extends Ways {
  /** The namespaces are there: the script leads into those of a process. @param pid as it is known out here */
  entered(pid: number): Promise<void>;
  close(): Promise<void>;
}

/** What there is to look at in one world. */
export interface Sight {
  /** The agent's page, as it is known inside. */
  readonly page: URL;
  readonly token: string;
  /** Commands to be run inside. */
  readonly commands: readonly string[];
}

const socketOf = ({ folder }: Pick<Ways, "folder">): string => `${folder}/page.sock`;
const scriptOf = ({ folder }: Pick<Ways, "folder">): string => `${folder}/inside`;

/** Out here. */
export async function openWays(): Promise<OpenWays> {
  const folder = await Deno.makeTempDir({ prefix: "serin-e2e-keep-" });
  const door = openOutside(socketOf({ folder }));
  return {
    folder,
    pagePort: door.port ?? 0,
    async entered(pid) {
      // Without root the namespaces belong to a user namespace, which is entered first.
      const user = Deno.uid() === 0 ? "" : " --user --preserve-credentials";
      const text = `#!/bin/sh\n# Runs a command inside what "deno task e2e --keep" keeps.\n` +
        `exec nsenter --target ${pid}${user} --net "$@"\n`;
      await Deno.writeTextFile(scriptOf({ folder }), text, { mode: 0o700 });
    },
    async close() {
      await door.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** The id, out here, of the first process that a process started. */
export async function firstChildOf(pid: number): Promise<number> {
  let found = "";
  await until(`process ${pid} has a child`, async () => {
    found = (await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`)).trim().split(" ")[0] ?? "";
    return found !== "";
  });
  return Number(found);
}

/** Inside. */
export class Keeper {
  readonly #ways: Ways | null;
  readonly #say: (text: string) => void;
  readonly #interrupted: Promise<void>;
  readonly #sights: (() => Sight)[] = [];
  #isDone = false;

  /** @param ways null where nothing is kept @param interrupted resolves with Ctrl-C */
  constructor(
    ways: Ways | null,
    options: { readonly interrupted: Promise<void>; readonly say: (text: string) => void },
  ) {
    this.#ways = ways;
    this.#say = options.say;
    this.#interrupted = options.interrupted;
  }

  /** Takes a world in; asked when it is told of, since an agent may have been started anew by then. */
  show(sight: () => Sight): void {
    this.#sights.push(sight);
  }

  get hasKept(): boolean {
    return this.#isDone;
  }

  /** Says how to look around, and resolves with Ctrl-C; at once where nothing is kept, or was kept before. */
  async keep(): Promise<void> {
    const ways = this.#ways;
    if (ways === null || this.#isDone) return;
    this.#isDone = true;
    const sights = this.#sights.map((sight) => sight());
    const [first] = sights;
    let door: Door | undefined;
    if (first !== undefined) {
      const { hostname, port } = first.page;
      door = openInside(socketOf(ways), { hostname, port: Number(port) });
    }
    this.#say(`\n${lookAround(ways, sights).join("\n")}\n`);
    await this.#interrupted;
    this.#say("Taking everything down.\n");
    await door?.close();
  }
}

/** The lines that are printed. */
export function lookAround(ways: Ways, sights: readonly Sight[]): readonly string[] {
  const inside = scriptOf(ways);
  const lines = sights.flatMap(({ page, token, commands }, index) => [
    ...(index === 0
      ? [`  page: http://127.0.0.1:${ways.pagePort}/ in a browser`, `  token to log in with: ${token}`]
      : [`  page of the next one: ${inside} curl -s ${page}, token ${token}`]),
    ...commands.map((command) => `  ${inside} ${command}`),
  ]);
  return [
    "Kept running until Ctrl-C. Everything is in a network namespace of its own; this runs a command in there:",
    `  ${inside} COMMAND`,
    ...lines,
  ];
}
