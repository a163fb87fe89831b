/** A repository with some manifests, served over HTTP, and our client on it: what every Git wire test starts from. */
import { type GitRemoteOptions, type OpenGitRemote, openGitRemote } from "../../adapters/platform/git.ts";
import { machineClock } from "../../adapters/platform/clock.ts";
import { GitHttpServer, type GitHttpServerOptions } from "./git_http_server.ts";
import { BareRepository, type FileContents } from "./git_repository.ts";

export interface GitFixture {
  readonly repository: BareRepository;
  readonly server: GitHttpServer;
  readonly remote: OpenGitRemote;
  /** Another client, closed at the end too. */
  open(options?: Partial<GitRemoteOptions>): OpenGitRemote;
  /** A path in the fixture's folder that does not exist yet. */
  readonly scratch: string;
}

export interface GitFixtureOptions {
  readonly server?: Omit<GitHttpServerOptions, "root">;
  readonly remote?: Partial<GitRemoteOptions>;
  /** The first commit; null leaves the repository empty. */
  readonly files?: FileContents | null;
  /** Arguments of `git init`. */
  readonly init?: readonly string[];
}

/** Forty manifests in four folders, so that a whole fetch can be told from an incremental one by its size. */
export const MANIFESTS: FileContents = Object.fromEntries(
  Array.from({ length: 40 }, (_, index) => [`apps/team-${index % 4}/app-${index}.yaml`, manifest(index)]),
);

/** A manifest that does not compress away: its lines differ from file to file. */
function manifest(index: number): string {
  const lines = Array.from(
    { length: 20 },
    (_, line) => `  key-${line}: "${(index * 7919 + line * 104_729) * 15_485_863}"`,
  );
  return `kind: ConfigMap\nmetadata:\n  name: app-${index}\ndata:\n${lines.join("\n")}\n`;
}

/** Runs a test with a fixture and clears up after it. */
export async function withGit(options: GitFixtureOptions, test: (fixture: GitFixture) => Promise<void>): Promise<void> {
  const root = await Deno.makeTempDir({ prefix: "serin-git-" });
  const opened: OpenGitRemote[] = [];
  const server = new GitHttpServer({ root, ...options.server });
  try {
    const repository = await BareRepository.create(`${root}/fleet.git`, options.init);
    if (options.files !== null) await repository.commit(options.files ?? MANIFESTS, { message: "Add manifests" });
    const open = (more: Partial<GitRemoteOptions> = {}) => {
      const remote = openGitRemote({
        url: server.url("fleet.git"),
        branch: "main",
        clock: machineClock,
        ...options.remote,
        ...more,
      });
      opened.push(remote);
      return remote;
    };
    await test({ repository, server, remote: open(), open, scratch: `${root}/scratch` });
  } finally {
    for (const remote of opened) await remote.close();
    await server.close();
    await Deno.remove(root, { recursive: true });
  }
}

/** A file of a snapshot as text; undefined when it is not there. */
export async function textOf(
  snapshot: { read(path: string): Promise<Uint8Array | undefined> },
  path: string,
): Promise<string | undefined> {
  const bytes = await snapshot.read(path);
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}
