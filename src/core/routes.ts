/** What traffic should do and what a routing object says it does. */
import type { Weight } from "./canary.ts";

/** Session cookies of the rollout in flight, as "name=value". */
export interface Cookies {
  readonly canary: string | null;
  /** The one of the rollout before, to be expired in browsers. */
  readonly previous: string | null;
  readonly primary: string | null;
}

export const NO_COOKIES: Cookies = { canary: null, previous: null, primary: null };

/** Traffic wanted. For A/B and at the switch of blue/green the weight is 100. */
export interface Routes {
  readonly weight: Weight;
  readonly mirror: boolean;
  readonly cookies: Cookies;
}

export const ALL_TO_PRIMARY: Routes = { weight: 0, mirror: false, cookies: NO_COOKIES };

/**
 * What the live routing objects say. `accepted` is what the data plane's controller says of this generation: "yes",
 * "no" (with a reason), or "unknown" while it has not looked yet; routers without a status answer "yes".
 */
export interface RoutesView {
  readonly exists: boolean;
  readonly weight: Weight;
  readonly mirror: boolean;
  readonly accepted: "yes" | "no" | "unknown";
  readonly reason: string | null;
  /** Fields of ours are missing or changed, weights aside: the route wants repair. */
  readonly drifted: boolean;
}
