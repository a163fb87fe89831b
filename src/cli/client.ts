/** The agent's API as the commands see it. Every answer that is no success ends the command with its own status. */
import { isJsonObject, stringAt } from "../core/kube_object.ts";
import type { CanaryDetail, CanarySummary } from "../ports/agent.ts";
import type { ParsedArgs } from "./args.ts";
import { type AgentAddress, agentAddress } from "./context_file.ts";
import { CliFailure, type CliIo, EXIT } from "./io.ts";
import { printable } from "./paint.ts";

export interface CanaryList {
  readonly cluster: string;
  readonly leading: boolean;
  readonly canaries: readonly CanarySummary[];
}

export interface Client {
  list(): Promise<CanaryList>;
  read(id: { readonly namespace: string; readonly name: string }): Promise<CanaryDetail>;
  /** What the agent says of a command that it took. */
  post(path: string, body: unknown): Promise<string>;
}

const TIMEOUT_MS = 30_000;
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

/** @throws {CliFailure} status 2 when address or token cannot be used */
export async function clientOf(args: ParsedArgs, io: CliIo): Promise<Client> {
  const to = await agentAddress(args, io);
  return {
    async list() {
      const answer = await ask(io, to, { method: "GET", path: "/api/v1/canaries" });
      if (!isList(answer)) throw notSerin(to);
      return answer;
    },
    async read(id) {
      const answer = await ask(io, to, { method: "GET", path: canaryPath(id) });
      if (!isDetail(answer)) throw notSerin(to);
      return answer;
    },
    async post(path, body) {
      return stringAt(await ask(io, to, { method: "POST", path, body }), "message") ?? "Done.";
    },
  };
}

export function canaryPath({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `/api/v1/canaries/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
}

interface Ask {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: unknown;
}

async function ask(io: CliIo, to: AgentAddress, request: Ask): Promise<unknown> {
  const late = new AbortController();
  const done = new AbortController();
  const deadline = io.clock.sleep(TIMEOUT_MS, done.signal).then(() => late.abort(), () => undefined);
  let status: number;
  let text: string;
  try {
    const response = await io.fetch(`${to.url}${request.path}`, {
      method: request.method,
      headers: {
        accept: "application/json",
        ...(request.body === undefined ? {} : { "content-type": "application/json" }),
        ...(to.token === null ? {} : { authorization: `Bearer ${to.token}` }),
      },
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      // A token goes to the address that was given, and to no other.
      redirect: "manual",
      signal: late.signal,
    });
    status = response.status;
    text = await readText(response);
  } catch (error) {
    if (error instanceof CliFailure) throw error;
    const why = late.signal.aborted ? `no answer within ${TIMEOUT_MS / 1_000} s` : "no connection";
    throw new CliFailure(EXIT.unreachable, `Cannot reach the agent at "${to.url}": ${why}`, "Check --address.");
  } finally {
    done.abort();
    await deadline;
  }
  const answer = parsed(text);
  if (status >= 200 && status < 300 && answer !== undefined) return answer;
  throw failureOf(status, answer, to);
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > ANSWER_BYTES_MAX) throw new CliFailure(EXIT.unreachable, "The answer is too large");
  }
  return text + decoder.decode();
}

/** Texts come from Git, webhooks and people: none of them may steer the terminal. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text, (_, value: unknown) => (typeof value === "string" ? printable(value) : value));
  } catch {
    return undefined;
  }
}

function failureOf(status: number, answer: unknown, to: AgentAddress): CliFailure {
  const error = stringAt(answer, "error");
  if (error === undefined) return notSerin(to);
  const fix = stringAt(answer, "fix") ?? null;
  if (status === 401 && to.token === null) {
    return new CliFailure(
      EXIT.denied,
      "The agent wants a token, and none was given",
      "Give --token-file, or SERIN_TOKEN.",
    );
  }
  if (status === 401 || status === 403) return new CliFailure(EXIT.denied, error, fix);
  const isPassing = status === 429 || status >= 500;
  return new CliFailure(isPassing ? EXIT.unreachable : EXIT.refused, error, fix);
}

function notSerin(to: AgentAddress): CliFailure {
  return new CliFailure(EXIT.unreachable, `What answers at "${to.url}" is no Serin agent`, "Check --address.");
}

/** The agent's own shapes are taken at their word once they are told from somebody else's. */
function isList(answer: unknown): answer is CanaryList {
  return isJsonObject(answer) && Array.isArray(answer["canaries"]);
}

function isDetail(answer: unknown): answer is CanaryDetail {
  return isJsonObject(answer) && typeof answer["phase"] === "string" && Array.isArray(answer["events"]);
}
