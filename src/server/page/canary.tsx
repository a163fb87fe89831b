/** One canary: where it is, why, what can be done, and what was said and decided. */
// deno-lint-ignore-file jsx-key -- rendered once, on the server: nothing is ever matched by key
import type { CanaryDetail } from "../../ports/agent.ts";
import { Decide, mayAct, OtherCommands } from "./forms.tsx";
import { Layout, type Reader } from "./layout.tsx";
import { ComplaintList, PhaseTag, Time, Weight } from "./parts.tsx";

const REFRESH_SECONDS = 10;

export interface CanaryPageProps {
  readonly reader: Reader;
  readonly canary: CanaryDetail;
  readonly address: string;
  /** Someone who could act asked to watch instead: no forms, and the page loads itself again. */
  readonly isFollowing: boolean;
}

export function CanaryPage({ reader, canary, address, isFollowing }: CanaryPageProps) {
  const { session, now } = reader;
  const canAct = session !== null && mayAct(session, canary);
  const hasForms = canAct && !isFollowing;
  return (
    <Layout
      reader={reader}
      title={`${canary.namespace}/${canary.name}`}
      refreshSeconds={hasForms ? 0 : REFRESH_SECONDS}
    >
      <p class="small">
        <a href="/">All canaries</a>
      </p>
      <h1>{`${canary.namespace}/${canary.name}`}</h1>
      {canAct && <Watching address={address} isFollowing={isFollowing} />}
      {canary.stalled !== null && (
        <div class="note bad">
          <strong>Stalled</strong>
          <div class="words">{canary.stalled}</div>
        </div>
      )}
      {hasForms && <Decide canary={canary} session={session} address={address} />}
      <Now canary={canary} now={now} />
      {canary.complaints.length > 0 && (
        <section>
          <h2>Problems in its files</h2>
          <ComplaintList complaints={canary.complaints} />
        </section>
      )}
      <EvidenceTable canary={canary} now={now} />
      <ApprovalTable canary={canary} now={now} />
      {hasForms && <OtherCommands canary={canary} session={session} address={address} />}
      <EventTable canary={canary} now={now} />
    </Layout>
  );
}

function Watching({ address, isFollowing }: { readonly address: string; readonly isFollowing: boolean }) {
  if (isFollowing) {
    return (
      <p class="small">
        <a href={address}>Stop following, to act</a>
      </p>
    );
  }
  return (
    <p class="small">
      <a href={address}>Reload</a>
      {" · "}
      <a href={`${address}?follow=1`}>Follow as it changes</a>
    </p>
  );
}

interface PartProps {
  readonly canary: CanaryDetail;
  readonly now: number;
}

function Now({ canary, now }: PartProps) {
  const { waitsFor, paused, last, source } = canary;
  return (
    <section>
      <h2>Now</h2>
      <dl>
        <dt>Phase</dt>
        <dd>
          <PhaseTag canary={canary} />{" "}
          <span class="soft">
            <Time at={canary.phaseSince} now={now} />
          </span>
        </dd>
        <dt>Weight</dt>
        <dd>
          <Weight canary={canary} />
        </dd>
        <dt>Waits for</dt>
        <dd class="words">{waitsFor ?? "nothing"}</dd>
        {paused !== null && (
          <>
            <dt>Paused</dt>
            <dd>
              {`by ${paused.by} `}
              <Time at={paused.at} now={now} />
              {paused.reason !== "" && `: ${paused.reason}`}
            </dd>
          </>
        )}
        <dt>Users are on</dt>
        <dd>
          <Revision revision={canary.lock} images={canary.lockImages} none="no lock yet" />
        </dd>
        <dt>On its way</dt>
        <dd>
          <Revision revision={canary.candidate} images={canary.candidateImages} none="nothing" />
        </dd>
        <dt>Checks</dt>
        <dd>{`${canary.failedChecks} of ${canary.threshold} failed, iteration ${canary.iterations}`}</dd>
        <dt>Strategy</dt>
        <dd>{`${canary.strategy} by ${canary.provider}`}</dd>
        <dt>Target</dt>
        <dd>{canary.target}</dd>
        <dt>Declared in</dt>
        <dd>
          <code>{source.file}</code>
          {` of ${source.name}`}
          {source.commit !== null && (
            <>
              {" at "}
              <code>{source.commit.slice(0, 10)}</code>
            </>
          )}
        </dd>
        {last !== null && (
          <>
            <dt>Last outcome</dt>
            <dd class="words">
              {`${last.outcome} `}
              <code>{last.revision}</code> <Time at={last.at} now={now} />
              {last.reason !== "" && `: ${last.reason}`}
            </dd>
          </>
        )}
      </dl>
    </section>
  );
}

interface RevisionProps {
  readonly revision: string | null;
  readonly images: readonly string[];
  readonly none: string;
}

function Revision({ revision, images, none }: RevisionProps) {
  if (revision === null) return <span class="soft">{none}</span>;
  return (
    <>
      <code>{revision}</code>
      {images.map((image) => (
        <div>
          <code>{image}</code>
        </div>
      ))}
    </>
  );
}

function EvidenceTable({ canary, now }: PartProps) {
  if (canary.evidence.length === 0) return null;
  return (
    <section>
      <h2>Evidence</h2>
      <Table titles={["Check", "Outcome", "Value", "Why", "When"]}>
        {canary.evidence.map(({ name, outcome, value, message, at }) => (
          <tr role="row">
            <th scope="row" role="rowheader">{name}</th>
            <td role="cell" data-label="Outcome">
              <div>
                <span class={`tag ${outcome === "passed" ? "good" : outcome === "failed" ? "bad" : "waiting"}`}>
                  {outcome}
                </span>
              </div>
            </td>
            <td role="cell" data-label="Value">{value === null ? "none" : String(value)}</td>
            <td role="cell" data-label="Why">
              <span class="words">{message}</span>
            </td>
            <td role="cell" data-label="When">
              <Time at={at} now={now} />
            </td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

function ApprovalTable({ canary, now }: PartProps) {
  if (canary.approvals.length === 0) return null;
  return (
    <section>
      <h2>Approvals</h2>
      <Table titles={["Gate", "Verdict", "By", "Reason", "When"]}>
        {canary.approvals.map(({ gate, verdict, by, reason, at }) => (
          <tr role="row">
            <th scope="row" role="rowheader">{gate}</th>
            <td role="cell" data-label="Verdict">
              <div>
                <span class={`tag ${verdict === "approved" ? "good" : "bad"}`}>{verdict}</span>
              </div>
            </td>
            <td role="cell" data-label="By">{by}</td>
            <td role="cell" data-label="Reason" class={reason === "" ? "empty" : ""}>
              <span class="words">{reason}</span>
            </td>
            <td role="cell" data-label="When">
              <Time at={at} now={now} />
            </td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

function EventTable({ canary, now }: PartProps) {
  return (
    <section>
      <h2>Recent events</h2>
      {canary.events.length === 0
        ? <p class="soft">None since the agent started.</p>
        : (
          <Table titles={["Event", "Severity", "Message", "When"]}>
            {canary.events.map(({ kind, severity, message, at }) => (
              <tr role="row">
                <th scope="row" role="rowheader">{kind}</th>
                <td role="cell" data-label="Severity">
                  <div>
                    <span class={`tag ${severity === "info" ? "calm" : severity === "warn" ? "waiting" : "bad"}`}>
                      {severity}
                    </span>
                  </div>
                </td>
                <td role="cell" data-label="Message">
                  <span class="words">{message}</span>
                </td>
                <td role="cell" data-label="When">
                  <Time at={at} now={now} />
                </td>
              </tr>
            ))}
          </Table>
        )}
    </section>
  );
}

interface TableProps {
  readonly titles: readonly string[];
  readonly children?: unknown;
}

function Table({ titles, children }: TableProps) {
  return (
    <table class="stack" role="table">
      <thead role="rowgroup">
        <tr role="row">{titles.map((title) => <th scope="col" role="columnheader">{title}</th>)}</tr>
      </thead>
      <tbody role="rowgroup">{children}</tbody>
    </table>
  );
}
