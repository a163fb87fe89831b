/** The JSON API, served from the table of its routes. */
import type { Hono } from "hono";
import type { CommandAnswer } from "../ports/agent.ts";
import { parseBody, problemOf, staleRevision } from "./commands.ts";
import { authorise, type Env, type Handled, type Shared } from "./context.ts";
import { API_ROUTES, type ApiRoute, openApiDocument } from "./open_api.ts";
import { readBytes, RequestProblem, unknownCanary } from "./problem.ts";

const BODY_BYTES_MAX = 64 * 1024;
/** What is said of a command that gave none. */
const NO_BODY: Readonly<Record<string, never>> = {};

/** "/api/v1/canaries/:namespace/:name" of OpenAPI's braces. */
export function honoPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ":$1");
}

export function addApi(app: Hono<Env>, shared: Shared): void {
  for (const route of API_ROUTES) {
    app.on(route.method.toUpperCase(), honoPath(route.path), (c) => answer(shared, c, route));
  }
  const paths = new Set(API_ROUTES.map(({ path }) => path));
  for (const path of paths) {
    const methods = API_ROUTES.filter((route) => route.path === path).map(({ method }) => method.toUpperCase());
    app.all(honoPath(path), () => {
      throw new RequestProblem(405, "The method is not served here", {
        fix: `Use ${methods.join(" or ")}.`,
        headers: { allow: methods.join(", ") },
      });
    });
  }
}

async function answer(shared: Shared, c: Handled, route: ApiRoute): Promise<Response> {
  const { agent, cluster, version } = shared;
  const { operation } = route;
  const caller = route.role === null ? null : authorise(shared, c, route.role);
  switch (operation.type) {
    case "read-document":
      return c.json(openApiDocument(version));
    case "list-canaries":
      return c.json({ cluster, version, leading: agent.leading, canaries: agent.canaries() });
    case "list-sources":
      return c.json({ sources: agent.sources(), complaints: agent.complaints() });
    case "read-canary": {
      const id = idOf(c);
      const canary = agent.canary(id);
      if (canary === undefined) throw unknownCanary(id.namespace, id.name);
      return c.json(canary);
    }
    case "confirm-removal":
      parseBody("confirm-removal", await readJson(c.req.raw));
      return done(c, await agent.confirmRemoval(caller?.name ?? ""));
    case "command": {
      const id = idOf(c);
      const body = parseBody(operation.command, await readJson(c.req.raw));
      const summary = agent.canary(id);
      if (summary === undefined) throw unknownCanary(id.namespace, id.name);
      const stale = staleRevision(operation.command, body, summary);
      if (stale !== null) throw problemOf({ type: "refused", reason: stale });
      return done(c, await agent.command(id, { type: operation.command, by: caller?.name ?? "", ...body }));
    }
  }
}

function idOf(c: Handled): { readonly namespace: string; readonly name: string } {
  return { namespace: c.req.param("namespace") ?? "", name: c.req.param("name") ?? "" };
}

function done(c: Handled, said: CommandAnswer): Response {
  if (said.type !== "done") throw problemOf(said);
  return c.json({ message: said.message });
}

async function readJson(request: Request): Promise<unknown> {
  const bytes = await readBytes(request, BODY_BYTES_MAX);
  if (bytes.byteLength === 0) return NO_BODY;
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    // The parser's message quotes the body.
    throw new RequestProblem(422, "The body is not valid: it is not JSON", { fix: "Send a JSON object." });
  }
}
