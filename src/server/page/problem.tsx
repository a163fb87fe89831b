/** What went wrong, for a person. */
import type { Shared } from "../context.ts";
import type { RequestProblem } from "../problem.ts";
import { Layout } from "./layout.tsx";

export function problemPage(shared: Shared, nonce: string, problem: RequestProblem) {
  const reader = { shared, nonce, session: null, flash: null, now: shared.clock.now() };
  return (
    <Layout reader={reader} title={String(problem.status)}>
      <section>
        <h1>{problem.message}</h1>
        <p>{problem.fix}</p>
        <p>
          <a href="/">To the list of canaries</a>
        </p>
      </section>
    </Layout>
  );
}
