/** Many canaries gone from Git at once: a person says that this is meant. */
import { formToken, type Session } from "../sessions.ts";
import { Layout, type Reader } from "./layout.tsx";

export const REMOVAL_ADDRESS = "/confirm-removal";

export function RemovalPage({ reader, session }: { readonly reader: Reader; readonly session: Session }) {
  return (
    <Layout reader={reader} title="Confirm removals">
      <section>
        <h1>Confirm removals</h1>
        <p>
          When many canaries go from Git at once, the agent holds: a broken folder or a wrong branch looks the same.
          Confirm only if they are really meant to go. What was derived for them is then removed.
        </p>
        <form method="post" action={REMOVAL_ADDRESS}>
          <input type="hidden" name="csrf" value={formToken(session, REMOVAL_ADDRESS)} />
          <button class="no" type="submit">They are really gone</button>
        </form>
      </section>
    </Layout>
  );
}
