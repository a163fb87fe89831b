/** Routers: one a mesh or ingress. Data in, data out; the shell fetches and applies. */
import type { Canary, RouterTraits } from "../core/canary.ts";
import type { KubeObject, ObjectRef } from "../core/kube_object.ts";
import type { Routes, RoutesView } from "../core/routes.ts";

/**
 * How an object is written. "apply": server-side apply of the fields given. "replace-lists": the lists given were made
 * from the live object's and must go out with its resourceVersion (the lists inside a route are atomic).
 */
export interface RouteWrite {
  readonly object: KubeObject;
  readonly precondition: "none" | "live-version";
}

export interface RouterAdapter {
  /** "istio", "gatewayapi:v1": the value of `spec.provider`. */
  readonly id: string;
  readonly traits: RouterTraits;
  /** Kinds to be watched for it, as [apiVersion, kind]. */
  readonly watches: readonly (readonly [string, string])[];
  /** The objects that `read` and `render` want, in this order. */
  readonly needs: (canary: Canary) => readonly ObjectRef[];
  /** @param live the objects of `needs` that exist */
  readonly read: (canary: Canary, live: readonly KubeObject[]) => RoutesView;
  /**
   * The objects that make the routes true; only fields we own, user-written parts of live lists kept.
   * Also the first creation. Must be a function of its arguments alone.
   * @throws {ForeignError} a live object is not ours and may not be taken
   */
  readonly render: (canary: Canary, routes: Routes, live: readonly KubeObject[]) => readonly RouteWrite[];
  /** What a hand-back leaves behind: objects to restore (traffic to the apex Service alone) before ours are deleted. */
  readonly release: (canary: Canary, live: readonly KubeObject[]) => {
    readonly restore: readonly RouteWrite[];
    readonly remove: readonly ObjectRef[];
  };
  /**
   * For proxies that know only the backends that routes name: one that is new, or just gone, has no answer for a moment.
   * Routes that have traffic are led from the apex to our Services, or back, in steps, each observed before the next: both
   * named and the old one with the share, both named and the new one with it, then the new one alone. Absent: proxies
   * know every Service, and `render` and `release` are enough.
   */
  readonly leadOver?: {
    /** "first" where none was taken yet; null where none is left, or none is needed. */
    readonly pending: (canary: Canary, live: readonly KubeObject[], to: "ours" | "apex") => "first" | "next" | null;
    /** The next step; after the last one `render`, or `release`, has nothing to add. */
    readonly step: (canary: Canary, live: readonly KubeObject[], to: "ours" | "apex") => readonly RouteWrite[];
  };
}
