/** How many pods a share wants, row by row. */
import { equal } from "node:assert/strict";
import { anObservation, aPrimary, aRun, shop } from "../../test/support/core_builders.ts";
import { canaryReplicas, enoughReady, fullReplicas, podsFor } from "./capacity.ts";

Deno.test("podsFor() rounds up, and any share above 0 wants a pod", () => {
  for (
    const [share, replicas, pods] of [
      [0, 4, 0],
      [1, 4, 1],
      [1, 1, 1],
      [25, 4, 1],
      [26, 4, 2],
      [50, 3, 2],
      [100, 4, 4],
      [29, 100, 29],
      [57, 100, 57],
    ] as const
  ) {
    equal(podsFor(share, replicas), pods, `${share} % of ${replicas}`);
  }
});

Deno.test("fullReplicas() takes the primary as it was when the rollout began or as it is, whichever is more", () => {
  for (
    const [began, now, full] of [[4, 4, 4], [4, 2, 4], [2, 6, 6], [0, 0, 1]] as const
  ) {
    const seen = anObservation({ cluster: { primary: aPrimary(undefined, { replicas: now }) } });
    equal(fullReplicas(aRun({ primaryReplicas: began }), seen), full, `${began} then ${now}`);
  }
});

Deno.test("canaryReplicas() wants pods for the share, for a mirror, and what the scaler keeps", () => {
  const mirroring = shop({ analysis: { mirrorWeight: 60 } });
  for (
    const [name, canary, weight, mirror, scalerMinimum, want] of [
      ["a share", shop(), 20, false, 0, 1],
      ["a larger share", shop(), 60, false, 0, 3],
      ["no share at all keeps a pod", shop(), 0, false, 0, 1],
      ["a mirror brings its part of all requests", mirroring, 0, true, 0, 3],
      ["a mirror of everything", shop(), 0, true, 0, 4],
      ["a scaler that keeps more", shop(), 20, false, 3, 3],
      [
        "A/B may bring every request",
        shop({ analysis: { strategy: { type: "ab", iterations: 3, match: [] } } }),
        100,
        false,
        0,
        4,
      ],
    ] as const
  ) {
    const seen = anObservation({ cluster: { scalerMinimum } });
    equal(canaryReplicas(aRun({ canary }), seen, weight, mirror), want, name);
  }
});

Deno.test("enoughReady() counts by the threshold, and never passes with no pod", () => {
  for (
    const [ready, wanted, percent, enough] of [
      [4, 4, 100, true],
      [3, 4, 100, false],
      [2, 4, 50, true],
      [1, 4, 50, false],
      [3, 5, 50, true],
      [0, 0, 100, false],
      [0, 4, 1, false],
      [1, 4, 1, true],
    ] as const
  ) {
    equal(enoughReady(ready, wanted, percent), enough, `${ready} of ${wanted} at ${percent} %`);
  }
});
