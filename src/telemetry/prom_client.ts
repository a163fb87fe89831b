/**
 * The parts of prom-client that are used, each from its own file. The package's front door also loads its cluster mode,
 * its push gateway and its default collectors, with all of node's HTTP and cluster modules behind them, for which the
 * agent has no use and would pay at every start.
 */
import type * as prom from "prom-client";
import counter from "prom-client/lib/counter.js";
import gauge from "prom-client/lib/gauge.js";
import histogram from "prom-client/lib/histogram.js";
import registry from "prom-client/lib/registry.js";

/** As prom-client's. */
export const Counter: typeof prom.Counter = counter;
/** As prom-client's. */
export const Gauge: typeof prom.Gauge = gauge;
/** As prom-client's. */
export const Histogram: typeof prom.Histogram = histogram;
/** As prom-client's. */
export const Registry: typeof prom.Registry = registry;

export type Counter<Label extends string = string> = prom.Counter<Label>;
export type Gauge<Label extends string = string> = prom.Gauge<Label>;
export type Histogram<Label extends string = string> = prom.Histogram<Label>;
export type Registry = prom.Registry;
