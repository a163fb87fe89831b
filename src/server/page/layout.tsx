/** The frame of every page: head, who is logged in, what was just done. No script, one style element under a nonce. */
import type { Child } from "hono/jsx";
import { raw } from "hono/html";
import type { Shared } from "../context.ts";
import { type Flash, formToken, type Session } from "../sessions.ts";
import { STYLE } from "./style.ts";

/** One page for one reader. */
export interface Reader {
  readonly shared: Pick<Shared, "cluster" | "version" | "agent" | "publicRead">;
  readonly nonce: string;
  /** null: not logged in. */
  readonly session: Session | null;
  readonly flash: Flash | null;
  readonly now: number;
}

export interface LayoutProps {
  readonly reader: Reader;
  readonly title: string;
  /** Loads itself again so often; 0: never. */
  readonly refreshSeconds?: number;
  readonly children?: Child;
}

/** Without it browsers fall back to the manners of 1998. */
export const DOCTYPE = raw("<!DOCTYPE html>");

export function Layout({ reader, title, refreshSeconds = 0, children }: LayoutProps) {
  const { shared, nonce, flash } = reader;
  return (
    <>
      {DOCTYPE}
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta name="viewport" content="width=device-width, initial-scale=1" />
          {refreshSeconds > 0 && <meta http-equiv="refresh" content={String(refreshSeconds)} />}
          <title>{`${title} · Serin`}</title>
          <style nonce={nonce}>{raw(STYLE)}</style>
        </head>
        <body>
          <a class="skip" href="#main">Skip to content</a>
          <header>
            <a class="brand" href="/">Serin</a>
            <span class="soft">{`cluster ${shared.cluster}`}</span>
            {!shared.agent.leading && <span class="tag calm">standing by</span>}
            <Who reader={reader} />
          </header>
          <main id="main">
            {flash !== null && (
              <p class={`note ${flash.type === "done" ? "good" : "bad"}`} role="status">{flash.message}</p>
            )}
            {children}
          </main>
          <footer>
            {`Serin ${shared.version} · `}
            <a href="/api/v1/openapi.json">API</a>
            {" · "}
            <a href="/metrics">Metrics</a>
            {refreshSeconds > 0 && ` · loads itself again every ${refreshSeconds} seconds`}
          </footer>
        </body>
      </html>
    </>
  );
}

function Who({ reader }: { readonly reader: Reader }) {
  const { session } = reader;
  if (session === null) {
    return (
      <span class="who">
        <a href="/login">Log in</a>
      </span>
    );
  }
  return (
    <span class="who">
      <span class="soft">{`${session.caller.name} (${session.caller.roles.join(", ")})`}</span>
      <form class="inline" method="post" action="/logout">
        <input type="hidden" name="csrf" value={formToken(session, "/logout")} />
        <button class="plain" type="submit">Log out</button>
      </form>
    </span>
  );
}
