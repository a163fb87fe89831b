/**
 * A body that stalls is given up when its signal says so, also after the garbage collector has been by: the runtime
 * forgets the signal of an answer that nobody holds any more.
 */
import { ok, strictEqual } from "node:assert/strict";
import { KubeClient } from "../../adapters/platform/kube/request.ts";
import { UnavailableError } from "../../src/errors.ts";
import { serveLoopback } from "../../src/sandbox/loopback_server.ts";

const REQUEST = { resource: "pods", path: "/api/v1/pods" } as const;

/** Requests after which the engine has compiled what runs for each; compiled code keeps only what is still to be used. */
const WARM_REQUESTS = 4_000;

/** Answers whole at first; later sends a head and some bytes, then nothing more for ever. */
async function withStallingServer(firstBytes: string, body: (client: KubeClient) => Promise<void>): Promise<void> {
  const ends: (() => void)[] = [];
  let left = WARM_REQUESTS;
  const server = serveLoopback(() => {
    if (left-- > 0) return new Response('{"kind":\n"PodList"}\n', { headers: { "content-type": "application/json" } });
    const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(firstBytes));
        ends.push(() => controller.error(new Error("the server ends")));
      },
    });
    return new Response(stream, { headers: { "content-type": "application/json" } });
  });
  const endpoint = { baseUrl: server.url, namespace: "default", token: () => Promise.resolve(undefined) };
  const client = new KubeClient(endpoint, { timeoutMs: 400 });
  try {
    await body(client);
  } finally {
    client.close();
    await server.down();
  }
}

/** Fills the young generation several times over, so that it is collected. */
async function makeGarbage(): Promise<void> {
  let kept: unknown[] = [];
  for (let round = 0; round < 60; round += 1) {
    kept = Array.from({ length: 50_000 }, (_, index) => ({ index, round }));
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  strictEqual(kept.length, 50_000);
}

/** What a promise came to within two seconds; "pending" where it hangs. */
async function within(promise: Promise<unknown>): Promise<unknown> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve("pending"), 2_000);
  });
  try {
    return await Promise.race([promise.catch((error) => error), late]);
  } finally {
    clearTimeout(timer);
  }
}

Deno.test("lines() ends when it is aborted, however long the stream was silent", async () => {
  await withStallingServer('{"type":"BOOKMARK"}\n', async (client) => {
    for (let warm = 0; warm < WARM_REQUESTS; warm += 1) {
      for await (const _ of client.lines({ ...REQUEST, verb: "watch" }));
    }
    const stop = new AbortController();
    const lines = client.lines({ ...REQUEST, verb: "watch", signal: stop.signal });
    strictEqual((await lines.next()).value, '{"type":"BOOKMARK"}');
    const next = lines.next();
    await makeGarbage();
    const reason = new Error("it was stopped");
    stop.abort(reason);
    strictEqual(await within(next), reason);
  });
});

Deno.test("send() gives up an answer that stalls in mid-body", async () => {
  await withStallingServer('{"kind":', async (client) => {
    for (let warm = 0; warm < WARM_REQUESTS; warm += 1) await client.send({ ...REQUEST, verb: "list" });
    const sent = client.send({ ...REQUEST, verb: "list" });
    sent.catch(() => undefined);
    await makeGarbage();
    const result = await within(sent);
    ok(result instanceof UnavailableError, String(result));
  });
});
