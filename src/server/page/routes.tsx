/** The page's routes: reading by anyone who may, acting only through forms with the session's own token. */
import type { Hono } from "hono";
import { deleteCookie, setCookie } from "hono/cookie";
import type { CommandAnswer } from "../../ports/agent.ts";
import { COMMANDS, parseBody, problemOf, staleRevision } from "../commands.ts";
import { cookieName, type Env, type Handled, isSecure, recognise, refuseForeignForm, sessionOf } from "../context.ts";
import type { Shared } from "../context.ts";
import { readBytes, RequestProblem, roleMissing, unknownCanary } from "../problem.ts";
import { isFormToken, type Session, SESSION_MS_MAX } from "../sessions.ts";
import { may, type Role } from "../tokens.ts";
import { CanaryPage } from "./canary.tsx";
import { formAction } from "./forms.tsx";
import type { Reader } from "./layout.tsx";
import { ListPage } from "./list.tsx";
import { ComeAgainPage, LoginPage } from "./login.tsx";
import { REMOVAL_ADDRESS, RemovalPage } from "./removal.tsx";

const FORM_BYTES_MAX = 64 * 1024;
const CANARY_PATH = "/canaries/:namespace/:name";

export function addPage(app: Hono<Env>, shared: Shared): void {
  app.get("/", (c) => reading(shared, c, (reader) => c.html(<ListPage reader={reader} />)));
  app.get(CANARY_PATH, (c) => reading(shared, c, (reader) => canaryPage(c, reader)));
  app.post(CANARY_PATH, (c) => command(shared, c));
  app.get(REMOVAL_ADDRESS, (c) =>
    reading(shared, c, (reader) => {
      const { session } = reader;
      if (session === null || !may(session.caller, "admin")) throw roleMissing("admin", session?.caller.roles ?? []);
      return c.html(<RemovalPage reader={reader} session={session} />);
    }));
  app.post(REMOVAL_ADDRESS, async (c) => {
    const { session } = await checkedForm(shared, c, { role: "admin", action: () => REMOVAL_ADDRESS });
    return tellAndGo(shared, c, { session, answer: await shared.agent.confirmRemoval(session.caller.name), to: "/" });
  });
  app.get("/login", (c) => loginPage(shared, c));
  app.post("/login", (c) => login(shared, c));
  app.post("/logout", async (c) => {
    const { session } = await checkedForm(shared, c, { role: null, action: () => "/logout" });
    shared.sessions.end(session.id);
    deleteCookie(c, cookieName(shared, c), { path: "/", secure: isSecure(shared, c) });
    return c.redirect("/login", 303);
  });
}

function readerOf(shared: Shared, c: Handled, session: Session | null): Reader {
  const flash = session === null ? null : shared.sessions.takeFlash(session.id);
  return { shared, nonce: c.env.nonce, session, flash, now: shared.clock.now() };
}

/** A page for those who may read; others are asked to log in. */
function reading(
  shared: Shared,
  c: Handled,
  page: (reader: Reader) => Response | Promise<Response>,
): Response | Promise<Response> {
  const session = sessionOf(shared, c);
  if (!shared.publicRead) {
    if (session === null) return c.redirect(`/login?next=${encodeURIComponent(c.req.path)}`, 303);
    if (!may(session.caller, "viewer")) throw roleMissing("viewer", session.caller.roles);
  }
  return page(readerOf(shared, c, session));
}

function idOf(c: Handled): { readonly namespace: string; readonly name: string } {
  return { namespace: c.req.param("namespace") ?? "", name: c.req.param("name") ?? "" };
}

function addressOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `/canaries/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
}

function canaryPage(c: Handled, reader: Reader): Response | Promise<Response> {
  const id = idOf(c);
  const canary = reader.shared.agent.canary(id);
  if (canary === undefined) throw unknownCanary(id.namespace, id.name);
  const isFollowing = c.req.query("follow") === "1";
  return c.html(<CanaryPage reader={reader} canary={canary} address={addressOf(id)} isFollowing={isFollowing} />);
}

/**
 * A form whose sender is logged in, may do it, and got the form from us.
 *
 * @throws {RequestProblem} 403, 413
 */
async function checkedForm(
  shared: Shared,
  c: Handled,
  options: { readonly role: Role | null; readonly action: (form: URLSearchParams) => string },
): Promise<{ readonly session: Session; readonly form: URLSearchParams }> {
  refuseForeignForm(c);
  const session = sessionOf(shared, c);
  if (session === null) {
    throw new RequestProblem(401, "Not logged in, or the session is over", { fix: "Log in, and do it again." });
  }
  const form = await readForm(c);
  if (!isFormToken(session, options.action(form), form.get("csrf") ?? "")) {
    throw new RequestProblem(403, "The form is not from this session", {
      fix: "Load the page again, and send it anew.",
    });
  }
  if (options.role !== null && !may(session.caller, options.role)) {
    throw roleMissing(options.role, session.caller.roles);
  }
  return { session, form };
}

async function readForm(c: Handled): Promise<URLSearchParams> {
  const type = c.req.header("content-type") ?? "";
  if (!type.startsWith("application/x-www-form-urlencoded")) {
    throw new RequestProblem(415, "The body is not a form", { fix: "Send it from the page." });
  }
  return new URLSearchParams(new TextDecoder().decode(await readBytes(c.req.raw, FORM_BYTES_MAX)));
}

async function command(shared: Shared, c: Handled): Promise<Response> {
  const id = idOf(c);
  const address = addressOf(id);
  const { session, form } = await checkedForm(shared, c, {
    role: null,
    action: (sent) => formAction(address, sent.get("command") ?? ""),
  });
  const row = COMMANDS.find(({ type }) => type === form.get("command"));
  if (row === undefined) throw new RequestProblem(422, "The command is not known", { fix: "Send it from the page." });
  if (!may(session.caller, row.role)) throw roleMissing(row.role, session.caller.roles);
  const summary = shared.agent.canary(id);
  if (summary === undefined) throw unknownCanary(id.namespace, id.name);
  const body = parseBody(row.type, {
    revision: form.get("revision") || null,
    gate: form.get("gate") || null,
    reason: form.get("reason") ?? "",
  });
  const stale = staleRevision(row.type, body, summary);
  const answer: CommandAnswer = stale === null
    ? await shared.agent.command(id, { type: row.type, by: session.caller.name, ...body })
    : { type: "refused", reason: stale };
  return tellAndGo(shared, c, { session, answer, to: address });
}

/** Done or refused, the next page says it: a reload then repeats nothing. */
function tellAndGo(
  shared: Shared,
  c: Handled,
  what: { readonly session: Session; readonly answer: CommandAnswer; readonly to: string },
): Response {
  const { session, answer, to } = what;
  const flash = answer.type === "done"
    ? { type: "done" as const, message: answer.message }
    : { type: "refused" as const, message: `Refused: ${problemOf(answer).message}` };
  shared.sessions.setFlash(session.id, flash);
  return c.redirect(to, 303);
}

/** Only our own reading pages; anything else would let a link send people elsewhere. */
function safeNext(next: string | null | undefined): string {
  return next !== null && next !== undefined && /^\/canaries\/[\w.%-]+\/[\w.%-]+$/.test(next) ? next : "/";
}

function loginPage(shared: Shared, c: Handled): Response | Promise<Response> {
  const next = safeNext(c.req.query("next"));
  const session = sessionOf(shared, c);
  if (session !== null) return c.redirect(next, 303);
  const reader = readerOf(shared, c, null);
  if (c.req.header("sec-fetch-site") === "cross-site") return c.html(<ComeAgainPage reader={reader} next={next} />);
  return c.html(<LoginPage reader={reader} next={next} problem={null} />);
}

async function login(shared: Shared, c: Handled): Promise<Response> {
  refuseForeignForm(c);
  const form = await readForm(c);
  const next = safeNext(form.get("next"));
  const caller = recognise(shared, c, (form.get("token") ?? "").trim());
  if (caller === null) {
    const problem = "This token is not known.";
    return c.html(<LoginPage reader={readerOf(shared, c, null)} next={next} problem={problem} />, 401);
  }
  const before = sessionOf(shared, c);
  if (before !== null) shared.sessions.end(before.id);
  const session = shared.sessions.start(caller);
  const secure = isSecure(shared, c);
  setCookie(c, cookieName(shared, c), session.id, {
    path: "/",
    httpOnly: true,
    sameSite: "Strict",
    secure,
    maxAge: SESSION_MS_MAX / 1_000,
  });
  shared.log?.info("logged-in", { name: caller.name, address: c.env.address });
  return c.redirect(next, 303);
}
