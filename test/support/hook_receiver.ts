/** A server for webhooks and alerts on loopback that keeps all it was sent and answers as it is told, path by path. */
import { serveLoopback } from "../../src/sandbox/loopback_server.ts";

export interface Received {
  readonly path: string;
  readonly method: string;
  readonly contentType: string | null;
  readonly body: string;
  readonly json: unknown;
  readonly atMs: number;
}

export interface Reply {
  readonly status: number;
  readonly body?: string;
  /** Waits before it answers. */
  readonly until?: Promise<void>;
}

export class HookReceiver {
  readonly #replies = new Map<string, Reply[]>();
  readonly #received: Received[] = [];
  readonly #server = serveLoopback((request) => this.#answer(request));
  /** Told of every call before it is answered. */
  onCall: (call: Received) => void = () => {};

  get url(): string {
    return this.#server.url;
  }

  get received(): readonly Received[] {
    return this.#received;
  }

  on(path: string): readonly Received[] {
    return this.#received.filter((call) => call.path === path);
  }

  /** Replies for calls of a path in turn; the last one stays. 200 without any. */
  reply(path: string, ...replies: readonly Reply[]): void {
    this.#replies.set(path, [...replies]);
  }

  stop(): Promise<void> {
    return this.#server.down();
  }

  async #answer(request: Request): Promise<Response> {
    const path = new URL(request.url).pathname;
    const body = await request.text();
    const call: Received = {
      path,
      method: request.method,
      contentType: request.headers.get("content-type"),
      body,
      json: parsed(body),
      atMs: Date.now(),
    };
    this.#received.push(call);
    this.onCall(call);
    const replies = this.#replies.get(path) ?? [];
    const reply = replies.length > 1 ? replies.shift() : replies[0];
    await reply?.until;
    return new Response(reply?.body ?? "", { status: reply?.status ?? 200 });
  }
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
