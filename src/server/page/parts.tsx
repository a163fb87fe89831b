/** Pieces that several pages show. */
import type { Complaint } from "../../core/catalogue.ts";
import type { CanarySummary } from "../../ports/agent.ts";
import { ago, shortImage, shortRevision, toneOf } from "./text.ts";

export function PhaseTag({ canary }: { readonly canary: CanarySummary }) {
  const words = canary.paused === null ? canary.phase : `${canary.phase}, paused`;
  return <span class={`tag ${toneOf(canary)}`}>{canary.stalled === null ? words : `${words}, stalled`}</span>;
}

export function Weight({ canary }: { readonly canary: CanarySummary }) {
  const { weight } = canary;
  return (
    <span class="weight">
      <progress max={100} value={weight} aria-label={`Weight of ${canary.namespace}/${canary.name}`}>
        {weight}%
      </progress>
      <span>{`${weight} %`}</span>
    </span>
  );
}

/** What users are on, and what is on its way. */
export function Images({ canary }: { readonly canary: CanarySummary }) {
  const { lockImages, candidateImages, candidate, lock } = canary;
  const isMoving = candidate !== null && candidate !== lock;
  return (
    <>
      <ImageList images={lockImages} none={lock === null ? "no lock yet" : shortRevision(lock)} />
      {isMoving && (
        <>
          {" "}
          <span aria-label="to">→</span> <ImageList images={candidateImages} none={shortRevision(candidate)} />
        </>
      )}
    </>
  );
}

function ImageList({ images, none }: { readonly images: readonly string[]; readonly none: string }) {
  if (images.length === 0) return <span class="soft">{none}</span>;
  return (
    <>
      {images.map((image, index) => (
        <>
          {index > 0 && ", "}
          <code title={image}>{shortImage(image)}</code>
        </>
      ))}
    </>
  );
}

export function Time({ at, now }: { readonly at: number; readonly now: number }) {
  const iso = new Date(at).toISOString();
  return <time datetime={iso} title={iso}>{ago(at, now)}</time>;
}

export function ComplaintList({ complaints }: { readonly complaints: readonly Complaint[] }) {
  return (
    <ul class="plain">
      {complaints.map(({ file, line, field, message, fix, severity }) => (
        <li>
          <span class={`tag ${severity === "error" ? "bad" : "waiting"}`}>{severity}</span>{" "}
          <code>{line === 0 ? file : `${file}:${line}`}</code>
          <div class="words">{field === "" ? message : `${field}: ${message}`}</div>
          {fix !== "" && <div class="soft words">{`Fix: ${fix}`}</div>}
        </li>
      ))}
    </ul>
  );
}
