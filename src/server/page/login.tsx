/** The login: a token in, a session cookie out. */
import { DOCTYPE, Layout, type Reader } from "./layout.tsx";

export interface LoginProps {
  readonly reader: Reader;
  /** Where to go afterwards. */
  readonly next: string;
  readonly problem: string | null;
}

export function LoginPage({ reader, next, problem }: LoginProps) {
  return (
    <Layout reader={reader} title="Log in">
      <div class="sheet login">
        <h1>Log in</h1>
        {problem !== null && <p class="note bad" role="alert">{problem}</p>}
        <form method="post" action="/login">
          <input type="hidden" name="next" value={next} />
          <label for="token">Token</label>
          <input
            id="token"
            name="token"
            type="password"
            autocomplete="current-password"
            required
            aria-describedby="hint"
          />
          <p id="hint" class="soft small">One of the tokens whose hashes the agent's configuration lists.</p>
          <button type="submit">Log in</button>
        </form>
      </div>
    </Layout>
  );
}

/** A browser that comes from another site leaves the strict cookie at home; asked again from here, it brings it. */
export function ComeAgainPage({ reader, next }: Pick<LoginProps, "reader" | "next">) {
  const address = `/login?next=${encodeURIComponent(next)}`;
  return (
    <>
      {DOCTYPE}
      <html lang="en">
        <head>
          <meta charset="utf-8" />
          <meta http-equiv="refresh" content={`0; url=${address}`} />
          <title>Serin</title>
        </head>
        <body>
          <p>
            <a href={address}>{`Go on to Serin on ${reader.shared.cluster}`}</a>
          </p>
        </body>
      </html>
    </>
  );
}
