/** Small wordings of the page: times, revisions, images. */

/** "3 min ago"; epoch milliseconds. */
export function ago(at: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - at) / 1_000));
  if (seconds < 5) return "just now";
  return `${span(seconds)} ago`;
}

function span(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 2 * 86_400) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}

export function shortRevision(revision: string): string {
  return revision.length > 12 ? revision.slice(0, 12) : revision;
}

/** "shop:1.0.0" of "registry.example.com/team/shop:1.0.0@sha256:…". */
export function shortImage(image: string): string {
  const [named = image, digest] = image.split("@");
  const last = named.slice(named.lastIndexOf("/") + 1);
  return digest === undefined || last.includes(":") ? last : `${last}@${digest.replace("sha256:", "").slice(0, 12)}`;
}

/** How a phase is to be shown. */
export type Tone = "calm" | "moving" | "waiting" | "good" | "bad";

export function toneOf(
  canary: {
    readonly phase: string;
    readonly stalled: string | null;
    readonly paused: unknown;
    readonly last: { readonly outcome: string } | null;
  },
): Tone {
  if (canary.stalled !== null) return "bad";
  if (canary.paused !== null) return "waiting";
  switch (canary.phase) {
    case "idle": {
      const outcome = canary.last?.outcome;
      return outcome === "failed" || outcome === "held" ? "bad" : outcome === "succeeded" ? "good" : "calm";
    }
    case "waiting":
    case "waiting-promotion":
      return "waiting";
    case "rolling-back":
    case "reverting":
    case "restoring":
      return "bad";
    case "released":
      return "calm";
    default:
      return "moving";
  }
}
