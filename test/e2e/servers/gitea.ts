/**
 * A real Gitea: a forge with protected branches and webhooks that it signs itself. Its people are made through its command
 * line, everything else through its HTTP API, as an installation is set up by hand.
 */
import { isJsonObject, type JsonObject } from "../../../src/core/kube_object.ts";
import { branchTip } from "../../../src/sandbox/git/repository.ts";
import { runTool } from "../../servers/commands.ts";
import { answersOk, type Processes, untilUp } from "../processes.ts";

export interface GiteaOptions {
  readonly processes: Processes;
  readonly programs: ReadonlyMap<string, string>;
  /** A folder of its own is made in it. */
  readonly folder: string;
}

/** A user, and a token that stands for the password. */
export interface GiteaUser {
  readonly name: string;
  readonly token: string;
}

export interface GiteaHook {
  readonly url: string;
  readonly secret: string;
}

export interface Gitea {
  /** "http://127.0.0.1:PORT". */
  readonly url: string;
  /** Makes a private repository of the first user, empty. */
  createRepository(name: string): Promise<void>;
  /** Lets a user write to a repository. */
  invite(repository: string, user: GiteaUser): Promise<void>;
  /** The address that a user's stock git clones, with the token in it. */
  cloneUrl(repository: string, user: GiteaUser): string;
  /** The address without credentials. */
  urlOf(repository: string): string;
  /** Where a repository lies on disk. */
  path(repository: string): string;
  /** Nobody but these users pushes to the branch from now on. */
  protect(repository: string, branch: string, pushers: readonly GiteaUser[]): Promise<void>;
  unprotect(repository: string, branch: string): Promise<void>;
  /** A webhook for pushes. @returns its id */
  addHook(repository: string, hook: GiteaHook): Promise<number>;
  removeHook(repository: string, id: number): Promise<void>;
  /** Id of a branch's newest commit, read where the repository lies. */
  tip(repository: string, branch: string): Promise<string>;
}

const LISTEN = { host: "127.0.0.1", port: 13000 };
const OWNER = "robin";

/**
 * Starts it with two users.
 *
 * @returns the forge; the person who owns repositories; the agent's user
 */
export async function startGitea(
  options: GiteaOptions,
): Promise<{ readonly forge: Gitea; readonly person: GiteaUser; readonly agent: GiteaUser }> {
  const { processes, programs } = options;
  const folder = `${options.folder}/gitea`;
  const program = programs.get("gitea") ?? "gitea";
  await Deno.mkdir(folder, { recursive: true });
  const config = `${folder}/app.ini`;
  await Deno.writeTextFile(config, await configText(folder, program.slice(0, program.lastIndexOf("/"))));
  const args = ["--config", config, "--work-path", folder];
  const env = { HOME: folder, GIT_CONFIG_NOSYSTEM: "1" };
  const running = processes.start({ name: "gitea", path: program, args: ["web", ...args], env });
  const url = `http://${LISTEN.host}:${LISTEN.port}`;
  await untilUp(running, () => answersOk(`${url}/api/healthz`));
  const addUser = async (name: string, ...flags: readonly string[]): Promise<GiteaUser> => {
    const admin = (...words: readonly string[]) => runTool(program, ["admin", "user", ...words, ...args], { env });
    const password = `${crypto.randomUUID()}aA1!`;
    const who = ["--username", name, "--email", `${name}@example.com`, "--password", password];
    await admin("create", ...who, "--must-change-password=false", ...flags);
    const token = await admin("generate-access-token", "-u", name, "--scopes", "all", "--raw");
    return { name, token: token.split("\n").at(-1) ?? "" };
  };
  const person = await addUser(OWNER, "--admin");
  const agent = await addUser("serin");
  return { forge: forgeOf(url, folder, person), person, agent };
}

function forgeOf(url: string, folder: string, owner: GiteaUser): Gitea {
  const api = (method: string, path: string, body?: JsonObject) =>
    callGitea(`${url}/api/v1/${path}`, owner, method, body);
  const repo = (name: string) => `repos/${OWNER}/${name}`;
  const path = (repository: string) => `${folder}/repositories/${OWNER}/${repository}.git`;
  return {
    url,
    urlOf: (repository) => `${url}/${OWNER}/${repository}.git`,
    path,
    cloneUrl: (repository, { name, token }) =>
      `${url.replace("://", `://${name}:${token}@`)}/${OWNER}/${repository}.git`,
    async createRepository(name) {
      await api("POST", "user/repos", { name, private: true, default_branch: "main" });
    },
    async invite(repository, { name }) {
      await api("PUT", `${repo(repository)}/collaborators/${name}`, { permission: "write" });
    },
    async protect(repository, branch, pushers) {
      await api("POST", `${repo(repository)}/branch_protections`, {
        rule_name: branch,
        enable_push: true,
        enable_push_whitelist: true,
        push_whitelist_usernames: pushers.map(({ name }) => name),
      });
    },
    async unprotect(repository, branch) {
      await api("DELETE", `${repo(repository)}/branch_protections/${branch}`);
    },
    async addHook(repository, { url: target, secret }) {
      const made = await api("POST", `${repo(repository)}/hooks`, {
        type: "gitea",
        active: true,
        events: ["push"],
        config: { url: target, content_type: "json", secret },
      });
      return typeof made["id"] === "number" ? made["id"] : 0;
    },
    async removeHook(repository, id) {
      await api("DELETE", `${repo(repository)}/hooks/${id}`);
    },
    tip: async (repository, branch) => await branchTip(path(repository), branch) ?? "",
  };
}

/** @throws {Error} the answer is no success, with what it says */
async function callGitea(url: string, user: GiteaUser, method: string, body?: JsonObject): Promise<JsonObject> {
  const response = await fetch(url, {
    method,
    headers: { authorization: `token ${user.token}`, "content-type": "application/json" },
    ...body === undefined ? {} : { body: JSON.stringify(body) },
  });
  const text = await response.text();
  if (!response.ok) {
    throw new Error(`Cannot ${method} ${new URL(url).pathname}: ${response.status} ${text.slice(0, 300)}`);
  }
  const answer: unknown = text === "" ? {} : JSON.parse(text);
  return isJsonObject(answer) ? answer : {};
}

/** @param assets the folder of its templates and options */
async function configText(folder: string, assets: string): Promise<string> {
  const user = await runTool("id", ["-un"]);
  return `I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
RUN_USER = ${user}
RUN_MODE = prod
[server]
HTTP_ADDR = ${LISTEN.host}
HTTP_PORT = ${LISTEN.port}
ROOT_URL = http://${LISTEN.host}:${LISTEN.port}/
STATIC_ROOT_PATH = ${assets}
OFFLINE_MODE = true
DISABLE_SSH = true
[database]
DB_TYPE = sqlite3
PATH = ${folder}/gitea.db
[security]
INSTALL_LOCK = true
SECRET_KEY = ${crypto.randomUUID()}
[repository]
ROOT = ${folder}/repositories
[webhook]
ALLOWED_HOST_LIST = loopback
DELIVER_TIMEOUT = 10
[log]
LEVEL = Info
[indexer]
ISSUE_INDEXER_TYPE = db
[cron.update_checker]
ENABLED = false
`;
}
