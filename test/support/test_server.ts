/** The HTTP server over a fake agent, with a token a role; requests go straight to its handler, without a network. */
import type { ServerOptions } from "../../src/server/server.ts";
import { createServer } from "../../src/server/server.ts";
import { hashOf } from "../../src/server/tokens.ts";
import { type FakeAgent, fakeAgent } from "./fake_agent.ts";
import { ManualClock } from "./manual_clock.ts";

export const TOKENS = { viewer: "viewer-token", approver: "approver-token", admin: "admin-token" } as const;
export const HOOK_SECRET = "hook secret";

export interface TestServer {
  readonly agent: FakeAgent;
  readonly clock: ManualClock;
  readonly fetch: (request: Request, info?: { readonly remoteAddr?: unknown }) => Promise<Response>;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Response>;
  /** POST of JSON with a token of that role. */
  post(path: string, body: unknown, role?: keyof typeof TOKENS): Promise<Response>;
  /** POST of a form. */
  form(
    path: string,
    fields: Readonly<Record<string, string>>,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Response>;
  /** Logs in; the "name=value" of the session cookie. */
  login(role: keyof typeof TOKENS): Promise<string>;
}

const ORIGIN = "http://serin.test";

export function testServer(overrides: Partial<ServerOptions> & { readonly agent?: FakeAgent } = {}): TestServer {
  const agent = overrides.agent ?? fakeAgent();
  const clock = new ManualClock();
  const server = createServer({
    agent,
    tokens: [
      { name: "vera", hash: hashOf(TOKENS.viewer), roles: ["viewer"] },
      { name: "arno", hash: hashOf(TOKENS.approver), roles: ["approver"] },
      { name: "ada", hash: hashOf(TOKENS.admin), roles: ["admin"] },
    ],
    publicRead: false,
    webhooks: new Map([["main", () => HOOK_SECRET]]),
    registry: { contentType: "text/plain; version=0.0.4", metrics: () => Promise.resolve("serin_leader 1\n") },
    clock,
    cluster: "eu-1",
    version: "1.0.0",
    ...overrides,
  });
  const send = (path: string, init?: RequestInit) => server.fetch(new Request(`${ORIGIN}${path}`, init));
  const form: TestServer["form"] = (path, fields, headers = {}) =>
    send(path, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
      body: new URLSearchParams(fields).toString(),
    });
  return {
    agent,
    clock,
    fetch: server.fetch,
    get: (path, headers = {}) => send(path, { headers }),
    post: (path, body, role) =>
      send(path, {
        method: "POST",
        headers: role === undefined ? {} : { authorization: `Bearer ${TOKENS[role]}` },
        body: typeof body === "string" ? body : JSON.stringify(body),
      }),
    form,
    async login(role) {
      const response = await form("/login", { token: TOKENS[role] });
      return response.headers.get("set-cookie")?.split(";")[0] ?? "";
    },
  };
}

/** The value of a hidden field, by the name of the form's button where there are several forms. */
export function hiddenField(page: string, field: string, command?: string): string {
  const forms = page.split("<form").slice(1).map((rest) => rest.slice(0, rest.indexOf("</form>")));
  const form = forms.find((one) =>
    command === undefined ? one.includes(`name="${field}"`) : one.includes(`value="${command}"`)
  );
  const [, value] = new RegExp(`name="${field}" value="([^"]*)"`).exec(form ?? "") ?? [];
  if (value === undefined) throw new Error(`The page has no hidden field "${field}" for "${command ?? "any form"}"`);
  return value;
}
