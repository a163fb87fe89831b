/**
 * The part of Flagger's load tester that demonstrations need: gates that a person opens and closes, and tasks that are
 * taken but not run. What it does not know is answered 501, which no webhook takes for a yes.
 *
 * @see https://docs.flagger.app/usage/webhooks#manual-gating
 */
import { isJsonObject, stringAt } from "../../core/kube_object.ts";
import { serveLoopback } from "../loopback_server.ts";

export interface LoadTester {
  readonly url: string;
  /** Payloads of tasks that were taken, oldest first, at most 1000. */
  readonly tasks: readonly unknown[];
  isOpen(gate: "gate" | "rollback", canary: { readonly namespace: string; readonly name: string }): boolean;
  stop(): Promise<void>;
}

const TASKS_MAX = 1_000;

export interface LoadTesterOptions {
  /**
   * Runs a task's command: `cmd` in the background, `bash` while its caller waits. Without it `cmd` is taken and not
   * run, and `bash` refused.
   */
  readonly run?: (task: { readonly type: string; readonly cmd: string }) => Promise<{
    readonly passed: boolean;
    readonly output: string;
  }>;
}

export function startLoadTester(options: LoadTesterOptions = {}): LoadTester {
  const open = new Set<string>();
  const tasks: unknown[] = [];
  const server = serveLoopback(async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/healthz") return text(200, "OK");
    if (pathname === "/gate/approve") return text(200, "OK");
    if (pathname === "/gate/halt") return text(403, "Forbidden");
    const payload: unknown = await request.json().catch(() => undefined);
    if (!isJsonObject(payload)) return text(400, "Bad Request");
    const found = /^\/(gate|rollback)\/(check|open|close)$/.exec(pathname);
    if (found !== null) {
      const [, kind = "", verb = ""] = found;
      return answerGate(open, gateKey(kind, payload), verb);
    }
    return await takeTask(payload, tasks, options);
  });
  return {
    url: server.url,
    tasks,
    isOpen: (kind, canary) => open.has(gateKey(kind, canary)),
    stop: () => server.down(),
  };
}

function answerGate(open: Set<string>, key: string, verb: string): Response {
  if (verb === "check") return open.has(key) ? text(200, "Approved") : text(403, "Forbidden");
  if (verb === "open") open.add(key);
  else open.delete(key);
  return text(202, "Accepted");
}

async function takeTask(
  payload: Readonly<Record<string, unknown>>,
  tasks: unknown[],
  { run }: LoadTesterOptions,
): Promise<Response> {
  const metadata = payload["metadata"];
  if (!isJsonObject(metadata) || Object.keys(metadata).length === 0) return text(400, "Bad Request");
  const type = stringAt(metadata, "type") ?? "cmd";
  const isBlocking = type === "bash" && run !== undefined;
  if (type !== "cmd" && !isBlocking) return text(501, `Tasks of type "${type}" are not run by the sandbox`);
  const cmd = stringAt(metadata, "cmd");
  if (cmd === undefined) return text(400, "cmd not found in metadata");
  tasks.push(payload);
  if (tasks.length > TASKS_MAX) tasks.shift();
  const running = run?.({ type, cmd });
  if (!isBlocking || running === undefined) return text(202, "Accepted");
  const { passed, output } = await running;
  return text(passed ? 200 : 500, output);
}

/** All gates of a canary share one key, as in Flagger's: "name.namespace", behind "rollback." for rollbacks. */
function gateKey(kind: string, canary: unknown): string {
  const key = `${stringAt(canary, "name") ?? ""}.${stringAt(canary, "namespace") ?? ""}`;
  return kind === "rollback" ? `rollback.${key}` : key;
}

function text(status: number, body: string): Response {
  return new Response(body, { status });
}
