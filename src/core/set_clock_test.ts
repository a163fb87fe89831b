/** A clock that is set forward ends no deadline, and one that is set back makes no wait longer. */
import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { frozen } from "../../test/support/builders.ts";
import { states } from "../../test/support/arbitrary_core.ts";
import { aCheck, aWorkload, MINUTE, NEW, NOW, rollingOut } from "../../test/support/core_builders.ts";
import { stepped } from "../../test/support/phase_case.ts";
import { questions } from "./questions.ts";
import { movedBy, notAhead } from "./set_clock.ts";

const HOUR = 60 * MINUTE;

Deno.test("set forward by an hour: pods that are still coming have their deadline as before", () => {
  const cluster = { target: aWorkload(NEW, 1, { ready: 0 }) };
  const { state, seen } = rollingOut("progressing", {
    stage: "capacity",
    weight: 0,
    run: { nextWeight: 20, routedAt: null },
    seen: { cluster },
  });
  equal(stepped({ state, seen }, NOW + HOUR).state.phase, "rolling-back", "a row that shows nothing");
  equal(stepped({ state: movedBy(state, HOUR), seen }, NOW + HOUR).state.phase, "progressing");
});

Deno.test("set back by an hour: the next check is due within an interval, and traffic that is back settles in time", () => {
  const { state, seen } = rollingOut("progressing", { run: { nextCheckAt: NOW + MINUTE } });
  const back = notAhead(state, NOW - HOUR);
  deepEqual(questions(back, NOW - HOUR + MINUTE).map(({ type }) => type), ["metrics"]);
  const judged = stepped({ state: back, seen: { ...seen, answers: { ...seen.answers, metrics: [aCheck()] } } });
  equal(judged.place, "progressing/gate");
  equal(back.run?.routedAt, NOW - HOUR);
});

Deno.test("notAhead() leaves a state alone whose times have come", () => {
  const { state } = rollingOut("progressing");
  equal(notAhead(state, NOW), state);
});

Deno.test("no state has a time ahead of the clock, whatever was remembered; moved there and back it is the same", () => {
  fc.assert(
    fc.property(states, fc.integer({ min: -HOUR, max: HOUR }), (state, ms) => {
      deepEqual(movedBy(movedBy(frozen(state), ms), -ms), state);
      const now = NOW + ms;
      const { phaseSince, lastTrafficAt, run } = notAhead(frozen(state), now);
      const times = [phaseSince, lastTrafficAt, run?.stageSince, run?.routedAt, run?.readySince];
      deepEqual(times.filter((at) => (at ?? 0) > now), []);
      if (run !== null) equal(run.nextCheckAt <= now + run.canary.analysis.intervalMs, true);
    }),
  );
});
