/** The Canary of a scenario, from words such as "weights=20,40,60", "hooks=confirm-rollout", "kubernetes". */
import type { Canary, Inconclusive, Strategy, WebhookType } from "../../src/core/canary.ts";
import { aMatch } from "./builders.ts";
import { aHook, MINUTE, shop } from "./core_builders.ts";

const AFFINITY = {
  cookieName: "shop-canary",
  primaryCookieName: null,
  maxAgeSeconds: 3_600,
  domain: null,
  path: null,
  httpOnly: false,
  secure: false,
  partitioned: false,
  sameSite: null,
} as const;

/** A router that splits nothing, as the Kubernetes one. */
const NO_SPLIT = { weights: false, match: false, mirror: "none", affinity: "none" } as const;

export function canaryFrom(words: readonly string[]): Canary {
  const known = new Map(words.map((word) => {
    const [key = "", value = ""] = word.split("=");
    return [key, value];
  }));
  const number = (key: string, fallback: number) => Number(known.get(key) ?? fallback);
  const meaning = (key: string): Inconclusive => {
    const value = known.get(key);
    return value === "hold" || value === "pass" ? value : "fail";
  };
  const hooks = (known.get("hooks") ?? "").split(",").filter((type) => type !== "");
  return shop({
    ...(known.has("kubernetes") ? { traits: NO_SPLIT } : {}),
    analysis: {
      strategy: strategyFrom(known),
      intervalMs: number("interval", 60) * 1_000,
      threshold: number("threshold", 3),
      mirror: known.has("mirror"),
      failureCounting: known.has("consecutive") ? "consecutive" : "cumulative",
      onInconclusive: meaning("on-inconclusive"),
      onNoData: meaning("on-no-data"),
      webhooks: hooks.map((type) => aHook(type as WebhookType)),
      metrics: known.has("window")
        ? [{
          name: "success-rate",
          source: { type: "builtin", name: "request-success-rate" },
          interval: `${number("window", 1)}m`,
          windowMs: number("window", 1) * MINUTE,
          range: { min: 99, max: null },
          variables: {},
          critical: false,
          dryRun: false,
          judge: "threshold",
        }]
        : [],
      sessionAffinity: known.has("affinity") ? AFFINITY : null,
    },
    skipAnalysis: known.has("skip-analysis"),
    revertOnDeletion: known.has("revert-on-deletion"),
    suspend: known.has("suspend"),
    progressDeadlineMs: number("deadline", 10) * MINUTE,
  });
}

function strategyFrom(known: ReadonlyMap<string, string>): Strategy {
  const number = (key: string) => Number(known.get(key) ?? 0);
  if (known.has("ab")) {
    return {
      type: "ab",
      iterations: number("ab"),
      match: [aMatch({ headers: { "x-canary": { type: "exact", value: "insider" } } })],
    };
  }
  if (known.has("blue-green")) return { type: "blue-green", iterations: number("blue-green") };
  const steps = (known.get("weights") ?? "20,40,60").split(",").map(Number);
  return { type: "weights", steps, stepWeightPromotion: number("step-weight-promotion") };
}
