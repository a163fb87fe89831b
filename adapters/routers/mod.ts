/** The table of routers, and the provider strings that Flagger knows. */
import type { RouterTraits } from "../../src/core/canary.ts";
import { FLAGGER_PROVIDERS } from "../../src/core/flagger.ts";
import type { RouterAdapter } from "../../src/ports/router.ts";
import { gatewayapiV1 } from "./gatewayapi_v1.ts";
import { istio } from "./istio.ts";
import { kubernetes } from "./kubernetes.ts";

const ROWS: readonly RouterAdapter[] = [gatewayapiV1, istio, kubernetes];

/** Routers by `spec.provider`. */
export const routers: ReadonlyMap<string, RouterAdapter> = new Map(ROWS.map((row) => [row.id, row]));

/** What each router can do, for the parser of Canaries, which knows no adapters. */
export const routerTraits: ReadonlyMap<string, RouterTraits> = new Map(ROWS.map(({ id, traits }) => [id, traits]));

/**
 * Every provider string that Flagger takes, sorted. Those without a row in `routers` are known and not supported, which
 * an error says differently from a misspelling.
 */
export const knownRouters: readonly string[] = FLAGGER_PROVIDERS;
