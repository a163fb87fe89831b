/** Leader election: one leader at a time, rising epochs, and the ways in which leaders come to an end. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { type OpenCluster, openCluster } from "../../adapters/platform/kube.ts";
import { type Election, microTime, startElection } from "../../adapters/platform/kube/lease.ts";
import { type KubeObject, numberAt, stringAt } from "../../src/core/kube_object.ts";
import { FakeKube, type Seen, statusBody } from "../support/fake_kube.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { until } from "../support/until.ts";

const lease = { kind: "Lease", metadata: { namespace: "serin", name: "serin" } } as const;

interface Racer {
  readonly name: string;
  readonly clock: ManualClock;
  readonly cluster: OpenCluster;
  readonly election: Election;
  /** "lead 3", "lose", in order. */
  readonly story: string[];
  readonly troubles: unknown[];
  readonly busy: { requests: number };
}

async function race(work: (server: FakeKube, enter: (name: string) => Racer) => Promise<void>): Promise<void> {
  const server = new FakeKube();
  const racers: Racer[] = [];
  const enter = (name: string): Racer => {
    const clock = new ManualClock(undefined, racers.length + 1);
    // Wall clocks that disagree by hours must not matter.
    clock.skew = racers.length * 7_200_000;
    const cluster = openCluster({ endpoint: server.endpoint(), clock, requestTimeoutMs: 2_000 });
    const story: string[] = [];
    const troubles: unknown[] = [];
    const busy = { requests: 0 };
    const counted = async <T>(request: Promise<T>): Promise<T> => {
      busy.requests++;
      try {
        return await request;
      } finally {
        busy.requests--;
      }
    };
    const election = startElection({
      cluster: {
        live: (ref, signal) => counted(cluster.live(ref, signal)),
        create: (object, options) => counted(cluster.create(object, options)),
        replace: (object, options) => counted(cluster.replace(object, options)),
      },
      namespace: "serin",
      name: "serin",
      identity: name,
      clock,
      onLead: (epoch) => story.push(`lead ${epoch}`),
      onLose: () => story.push("lose"),
      onTrouble: (error) => troubles.push(error),
    });
    const racer = { name, clock, cluster, election, story, troubles, busy };
    racers.push(racer);
    return racer;
  };
  try {
    await work(server, enter);
  } finally {
    const stops = racers.map(({ election }) => election.stop());
    await Promise.all([...stops, ...racers.map(({ clock }) => clock.advance(20_000))]);
    await Promise.all(racers.map(({ cluster }) => cluster.close()));
    await server.stop();
  }
}

/** Lets the racers' clocks run together; never two leaders, at any step. */
async function passTime(racers: readonly Racer[], ms: number, all: readonly Racer[] = racers): Promise<void> {
  for (let passedMs = 0; passedMs < ms; passedMs += 500) {
    await Promise.all(racers.map(({ clock }) => clock.advance(500)));
    await until("all of them sleep", () => racers.every(isAsleep));
    const leaders = all.filter(({ election }) => election.isLeader()).map(({ name }) => name);
    ok(leaders.length <= 1, `${leaders.join(" and ")} lead at once`);
  }
}

/** It waits for its next turn, and for no answer. */
function isAsleep({ clock, busy }: Racer): boolean {
  return busy.requests === 0 && clock.sleeping === 1;
}

function isRenewal({ method }: Seen): boolean {
  return method === "PUT";
}

function held(server: FakeKube): KubeObject {
  const object = server.held(lease);
  if (object === undefined) throw new Error("There is no Lease");
  return object;
}

Deno.test("of three, one leads and goes on leading; times are as API servers want them", async () => {
  await race(async (server, enter) => {
    const racers = ["a", "b", "c"].map(enter);
    await passTime(racers, 60_000);
    const stories = racers.map(({ story }) => story).filter((story) => story.length > 0);
    deepEqual(stories, [["lead 1"]]);
    const leader = racers.find(({ election }) => election.isLeader());
    equal(stringAt(held(server), "spec", "holderIdentity"), leader?.name);
    equal(numberAt(held(server), "spec", "leaseDurationSeconds"), 15);
    ok(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(stringAt(held(server), "spec", "renewTime") ?? ""));
    equal(microTime(1_767_225_600_007), "2026-01-01T00:00:00.007000Z");
    const writes = leader?.cluster.requests.get("update leases.coordination.k8s.io") ?? 0;
    ok(writes >= 10 && writes <= 13, `${writes} renewals in a minute`);
  });
});

Deno.test("a leader that cannot renew stops before another starts; the other has the next epoch", async () => {
  await race(async (server, enter) => {
    const a = enter("a");
    await passTime([a], 1_000);
    const b = enter("b");
    await passTime([a, b], 10_000);
    equal(a.election.isLeader(), true);
    const refused = { type: "answer", status: 503, body: statusBody(503, "ServiceUnavailable", "down") } as const;
    server.script(({ body }) => stringAt(body, "spec", "holderIdentity") === "a", refused, 1_000);
    await passTime([a, b], 13_000);
    deepEqual(a.story, ["lead 1", "lose"]);
    ok(a.troubles.length > 2, "a holder tries again soon");
    await passTime([a, b], 15_000);
    deepEqual(b.story, ["lead 2"]);
    equal(b.election.isLeader(), true);
    equal(stringAt(held(server), "spec", "holderIdentity"), "b");
  });
});

Deno.test("a frozen leader does not believe in itself when it wakes; the next one has the next epoch", async () => {
  await race(async (server, enter) => {
    const a = enter("a");
    await passTime([a], 1_000);
    const b = enter("b");
    await passTime([a, b], 10_000);
    // a's process stands still; its own clock will show how long.
    await passTime([b], 30_000);
    deepEqual(b.story, ["lead 2"]);
    equal(numberAt(held(server), "spec", "leaseTransitions"), 2);
    const frozen = a.clock.advance(30_000);
    await frozen;
    await until("it noticed", () => a.story.length === 2);
    deepEqual(a.story, ["lead 1", "lose"]);
    await passTime([a, b], 30_000);
    equal(b.election.isLeader(), true);
    equal(a.election.isLeader(), false);
    equal(a.election.epoch(), 1);
  });
});

Deno.test("leadership ends by the clock alone, without any answer from the server", async () => {
  await race(async (server, enter) => {
    const a = enter("a");
    await passTime([a], 1_000);
    equal(a.election.isLeader(), true);
    server.script(() => true, { type: "hang" }, 1_000);
    await a.clock.advance(11_000);
    await until("it asks", () => server.seen.some(isRenewal));
    await a.clock.advance(1_500);
    equal(a.election.isLeader(), false);
    await until("it was told", () => a.story.length === 2);
  });
});

Deno.test("a leader that stops gives the Lease back, and the next one need not wait", async () => {
  await race(async (server, enter) => {
    const a = enter("a");
    await passTime([a], 1_000);
    const b = enter("b");
    await passTime([a, b], 6_000);
    await a.election.stop();
    deepEqual(a.story, ["lead 1", "lose"]);
    equal(stringAt(held(server), "spec", "holderIdentity"), undefined);
    equal(numberAt(held(server), "spec", "leaseTransitions"), 1);
    await passTime([b], 6_500);
    deepEqual(b.story, ["lead 2"]);
    const again = enter("a");
    await b.election.stop();
    await passTime([again], 7_000);
    deepEqual(again.story, ["lead 3"], "the same name again, a new epoch");
  });
});

Deno.test("a renewal whose answer was lost is no loss; a Lease taken by force is, at once", async () => {
  await race(async (server, enter) => {
    const a = enter("a");
    await passTime([a], 1_000);
    server.script(isRenewal, { type: "lose-answer" });
    await passTime([a], 10_000);
    deepEqual(a.story, ["lead 1"]);
    const spec = { ...held(server).spec, holderIdentity: "intruder", leaseTransitions: 5 };
    server.put({ ...held(server), spec });
    await passTime([a], 6_000);
    deepEqual(a.story, ["lead 1", "lose"]);
    await passTime([a], 20_000);
    deepEqual(a.story, ["lead 1", "lose", "lead 6"]);
  });
});

Deno.test("after an outage a leader that nobody replaced leads again under a new epoch", async () => {
  await race(async (server, enter) => {
    const a = enter("a");
    await passTime([a], 1_000);
    const refused = { type: "answer", status: 500, body: statusBody(500, "InternalError", "etcd") } as const;
    server.script(isRenewal, refused, 10);
    await passTime([a], 40_000);
    deepEqual(a.story, ["lead 1", "lose", "lead 2"]);
    equal(a.election.epoch(), 2);
  });
});

Deno.test("a silent holder is waited for, from when it was first seen and whatever its clock says", async () => {
  await race(async (server, enter) => {
    const spec = {
      holderIdentity: "dead",
      leaseDurationSeconds: 20,
      renewTime: "2020-01-01T00:00:00.000000Z",
      leaseTransitions: 7,
    };
    server.put({ apiVersion: "coordination.k8s.io/v1", ...lease, spec });
    const a = enter("a");
    await passTime([a], 19_500);
    deepEqual(a.story, [], "it may have 20 s left");
    await passTime([a], 7_000);
    deepEqual(a.story, ["lead 8"]);
  });
});

Deno.test("another process of the same name is another candidate", async () => {
  await race(async (server, enter) => {
    const one = enter("same");
    await passTime([one], 1_000);
    const other = enter("same");
    await passTime([one, other], 40_000);
    deepEqual([one.story, other.story], [["lead 1"], []]);
    equal(numberAt(held(server), "spec", "leaseTransitions"), 1);
  });
});

Deno.test("a Lease that was deleted is made anew with a higher epoch than any that was seen", async () => {
  await race(async (server, enter) => {
    const a = enter("a");
    await passTime([a], 1_000);
    server.delete(lease);
    await passTime([a], 15_000);
    deepEqual(a.story, ["lead 1", "lose", "lead 2"]);
  });
});
