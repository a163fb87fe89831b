/** The list: every canary with where it is and what it waits for; the sources, and what is wrong in them. */
// deno-lint-ignore-file jsx-key -- rendered once, on the server: nothing is ever matched by key
import type { CanarySummary, SourceSummary } from "../../ports/agent.ts";
import { may } from "../tokens.ts";
import { Layout, type Reader } from "./layout.tsx";
import { ComplaintList, Images, PhaseTag, Time, Weight } from "./parts.tsx";
import { shortRevision } from "./text.ts";

const REFRESH_SECONDS = 10;
const COMPLAINTS_MAX = 100;

export function ListPage({ reader }: { readonly reader: Reader }) {
  const { agent } = reader.shared;
  const canaries = [...agent.canaries()].sort(byNeed);
  const complaints = agent.complaints();
  const waiting = canaries.filter(({ gate }) => gate !== null).length;
  return (
    <Layout reader={reader} title="Canaries" refreshSeconds={REFRESH_SECONDS}>
      <h1>Canaries</h1>
      <section>
        {canaries.length === 0
          ? <p>No canary is declared in the sources.</p>
          : <CanaryTable canaries={canaries} reader={reader} waiting={waiting} />}
      </section>
      {complaints.length > 0 && (
        <section>
          <h2>Problems in the sources</h2>
          <ComplaintList complaints={complaints.slice(0, COMPLAINTS_MAX)} />
          {complaints.length > COMPLAINTS_MAX && <p class="soft">{`and ${complaints.length - COMPLAINTS_MAX} more`}</p>}
        </section>
      )}
      <SourceTable sources={agent.sources()} now={reader.now} />
      {may(reader.session?.caller ?? null, "admin") && (
        <p class="small">
          <a href="/confirm-removal">Confirm that canaries were removed on purpose</a>
        </p>
      )}
    </Layout>
  );
}

/** What needs a person first, then what moves, then the rest by name. */
function byNeed(a: CanarySummary, b: CanarySummary): number {
  const rank = ({ gate, stalled, paused, candidate }: CanarySummary): number =>
    gate !== null ? 0 : stalled !== null ? 1 : paused !== null ? 2 : candidate !== null ? 3 : 4;
  const name = ({ namespace, name }: CanarySummary): string => `${namespace}/${name}`;
  return rank(a) - rank(b) || (name(a) < name(b) ? -1 : 1);
}

interface TableProps {
  readonly canaries: readonly CanarySummary[];
  readonly reader: Reader;
  readonly waiting: number;
}

function CanaryTable({ canaries, reader, waiting }: TableProps) {
  return (
    <table class="stack" role="table">
      <caption>
        {`${canaries.length} ${canaries.length === 1 ? "canary" : "canaries"}, ${waiting} waiting for an approval`}
      </caption>
      <thead role="rowgroup">
        <tr role="row">
          {["Canary", "Phase", "Weight", "Users are on → on its way", "Waits for", "Last outcome"].map((title) => (
            <th scope="col" role="columnheader">{title}</th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {canaries.map((canary) => <CanaryRow canary={canary} reader={reader} />)}
      </tbody>
    </table>
  );
}

function CanaryRow({ canary, reader }: { readonly canary: CanarySummary; readonly reader: Reader }) {
  const { namespace, name, failedChecks, threshold, target, last } = canary;
  const address = `/canaries/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
  const isWaiting = canary.waitsFor !== null || canary.stalled !== null || canary.paused !== null;
  return (
    <tr role="row">
      <th scope="row" role="rowheader">
        <a href={address}>{`${namespace}/${name}`}</a>
        <div class="soft small">{target}</div>
      </th>
      <td role="cell" data-label="Phase">
        <div>
          <PhaseTag canary={canary} />
          <div class="soft small">
            <Time at={canary.phaseSince} now={reader.now} />
            {failedChecks > 0 && `, ${failedChecks} of ${threshold} checks failed`}
          </div>
        </div>
      </td>
      <td role="cell" data-label="Weight">
        <Weight canary={canary} />
      </td>
      <td role="cell" data-label="Images">
        <div>
          <Images canary={canary} />
        </div>
      </td>
      <td role="cell" data-label="Waits for" class={isWaiting ? "" : "empty"}>
        <Waits canary={canary} reader={reader} address={address} />
      </td>
      <td role="cell" data-label="Last outcome" class={last === null ? "empty" : ""}>
        {last !== null && (
          <div>
            {`${last.outcome} `}
            <code title={last.revision}>{shortRevision(last.revision)}</code>
            <div class="soft small">
              <Time at={last.at} now={reader.now} />
            </div>
            {last.outcome !== "succeeded" && last.reason !== "" && <div class="small words clamp">{last.reason}</div>}
          </div>
        )}
      </td>
    </tr>
  );
}

interface WaitsProps {
  readonly canary: CanarySummary;
  readonly reader: Reader;
  readonly address: string;
}

function Waits({ canary, reader, address }: WaitsProps) {
  const { waitsFor, gate, stalled, paused } = canary;
  const mayDecide = gate !== null && may(reader.session?.caller ?? null, "approver");
  return (
    <div>
      {waitsFor !== null && <div class="words clamp">{waitsFor}</div>}
      {stalled !== null && <div class="words clamp">{stalled}</div>}
      {paused !== null && (
        <div class="words">{`Paused by ${paused.by}${paused.reason === "" ? "" : `: ${paused.reason}`}`}</div>
      )}
      {mayDecide && <a href={`${address}#decide`}>Approve or reject…</a>}
    </div>
  );
}

function SourceTable({ sources, now }: { readonly sources: readonly SourceSummary[]; readonly now: number }) {
  if (sources.length === 0) return null;
  return (
    <section>
      <h2>Sources</h2>
      <table class="stack" role="table">
        <thead role="rowgroup">
          <tr role="row">
            {["Source", "Repository", "State", "Commit"].map((title) => <th scope="col" role="columnheader">{title}
            </th>)}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {sources.map(({ name, url, branch, state, problem, commit, fetchedAt }) => (
            <tr role="row">
              <th scope="row" role="rowheader">{name}</th>
              <td role="cell" data-label="Repository">
                <div>
                  <code>{url}</code>
                  {` ${branch}`}
                </div>
              </td>
              <td role="cell" data-label="State">
                <div>
                  <span class={`tag ${state === "fresh" ? "good" : state === "stale" ? "bad" : "calm"}`}>{state}</span>
                  {problem !== null && <div class="words">{problem}</div>}
                </div>
              </td>
              <td role="cell" data-label="Commit">
                <div>
                  {commit === null ? "none yet" : <code title={commit}>{shortRevision(commit)}</code>}
                  {fetchedAt > 0 && (
                    <div class="soft small">
                      <Time at={fetchedAt} now={now} />
                    </div>
                  )}
                </div>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
