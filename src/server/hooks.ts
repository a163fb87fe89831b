/** Push webhooks: a signed word that a source moved. Nothing in the body is believed; the agent fetches and looks. */
import type { Hono } from "hono";
import type { Env, Handled, Shared } from "./context.ts";
import { deliveryOf, isSigned } from "./hook_signature.ts";
import { readBytes, RequestProblem } from "./problem.ts";

const BODY_BYTES_MAX = 1024 * 1024;

export function addHooks(app: Hono<Env>, shared: Shared): void {
  app.post("/hooks/git/:source", (c) => take(shared, c));
}

async function take(shared: Shared, c: Handled): Promise<Response> {
  const source = c.req.param("source") ?? "";
  const secretOf = shared.webhooks.get(source);
  // Says no more than any other path that is not served.
  if (secretOf === undefined) throw new RequestProblem(404, "Not found", { fix: "Check the address." });
  const wait = shared.hookAllowance.take(source);
  if (wait > 0) {
    throw new RequestProblem(429, "Too many deliveries for this source", {
      fix: `Wait ${wait} seconds; the source is polled meanwhile.`,
      headers: { "retry-after": String(wait) },
    });
  }
  const body = await readBytes(c.req.raw, BODY_BYTES_MAX);
  const { headers } = c.req.raw;
  const secret = (await secretOf()).trim();
  if (!isSigned({ headers, body, secret, now: shared.clock.now() })) {
    shared.log?.warn("webhook-refused", { source, address: c.env.address });
    throw new RequestProblem(401, "The signature is missing or does not fit", {
      fix: "Set the same secret in the forge and in the agent's configuration.",
    });
  }
  const delivery = deliveryOf(headers);
  if (delivery !== null && !shared.deliveries.take(`${source}/${delivery}`)) {
    return c.json({ message: "This delivery was taken already." }, 202);
  }
  if (isPing(headers)) return c.json({ message: "The signature fits." }, 202);
  shared.agent.hint(source);
  return c.json({ message: "The source is looked at soon." }, 202);
}

/** What a forge sends when a webhook is set up. */
function isPing(headers: Headers): boolean {
  return headers.get("x-github-event") === "ping" || headers.get("x-event-key") === "diagnostics:ping";
}
