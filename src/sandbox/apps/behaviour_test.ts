/** Images to behaviour, and latencies that keep their percentiles. */
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { ManualClock } from "../../../test/support/manual_clock.ts";
import { InvalidSpecError } from "../../errors.ts";
import { behaviourByName, behaviourTable, drawLatencyMs, tagOf } from "./behaviour.ts";

Deno.test("tagOf reads tags behind ports and before digests", () => {
  const images = ["registry.example:5000/podinfo:6.0.0@sha256:00", "registry.example:5000/podinfo", "podinfo:1"];
  deepEqual(images.map(tagOf), ["6.0.0", "latest", "1"]);
});

Deno.test("words in a tag change behaviour, also several at once", () => {
  const good = behaviourByName("registry.example/podinfo:6.0.0");
  deepEqual([good.version, good.errorRate, good.neverReady], ["6.0.0", 0, undefined]);
  const both = behaviourByName("podinfo:6.0.1-bad-slow");
  equal(both.errorRate, 0.5);
  ok(both.latencyMs.p99 > good.latencyMs.p99);
  equal(behaviourByName("podinfo:badge").errorRate, 0);
  equal(behaviourByName("podinfo:2-unready").neverReady, true);
});

Deno.test("a table wins over names and refuses nonsense", () => {
  const table = behaviourTable({ "podinfo:2-bad": { errorRate: 0, version: "two" } });
  deepEqual([table("podinfo:2-bad").errorRate, table("podinfo:2-bad").version], [0, "two"]);
  equal(table("podinfo:3-bad").errorRate, 0.5);
  throws(() => behaviourTable({ x: { errorRate: 2 } }), InvalidSpecError);
  throws(() => behaviourTable({ x: { latencyMs: { p50: 9, p99: 1 } } }), InvalidSpecError);
});

Deno.test("drawn latencies lie by their percentiles", () => {
  const dice = new ManualClock(0, 3);
  const drawn = Array.from({ length: 20_000 }, () => drawLatencyMs({ p50: 10, p99: 100 }, () => dice.random()));
  const sorted = drawn.sort((a, b) => a - b);
  const [p50 = 0, p99 = 0] = [sorted[10_000], sorted[19_800]];
  ok(Math.abs(p50 - 10) < 0.5, `p50 was ${p50}`);
  ok(Math.abs(p99 - 100) < 10, `p99 was ${p99}`);
  equal(drawLatencyMs({ p50: 0, p99: 0 }, () => 0.5), 0);
});
