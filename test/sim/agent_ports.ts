/** Git and HTTP as one process reaches them: what the world answers, after the faults of the way. */
import { RejectedError, UnavailableError } from "../../src/errors.ts";
import type { GitRemote } from "../../src/ports/git.ts";
import type { Http, HttpAnswer } from "../../src/ports/http.ts";
import type { Process } from "./process.ts";
import type { World } from "./world.ts";

/** A remote of the world's repository. A push tells the world when it landed, also when its answer is lost. */
export function gitOf(world: World, process: Process): GitRemote {
  const remote = world.git.connect();
  const reach = (what: string): void => {
    if (world.gitDown) throw new UnavailableError(`Cannot ${what}: the Git server does not answer`);
  };
  return {
    url: remote.url,
    branch: remote.branch,
    get tip() {
      return remote.tip;
    },
    fetch: () =>
      process.call("git-read", "fetch", () => {
        reach("fetch");
        return remote.fetch();
      }),
    at: (commit) =>
      process.call("git-read", `fetch ${commit.slice(0, 8)}`, () => {
        reach("fetch");
        return remote.at(commit);
      }),
    log: (max) =>
      process.call("git-read", "log", () => {
        reach("log");
        return remote.log(max);
      }),
    push: (base, drafts) =>
      process.call("git-push", `push ${drafts.map(({ message }) => message.split("\n")[0]).join(" + ")}`, async () => {
        reach("push");
        const mischief = world.mischief();
        if (mischief === "refuse") return { type: "refused", reason: "a hook said no" };
        if (mischief === "race") world.push("robin", "Say hello", { "README.md": `# ${world.timeline.elapsed}\n` });
        const result = await remote.push(base, drafts);
        if (result.type === "pushed") world.gitMoved();
        return result;
      }),
    cannotPush: () => Promise.resolve(undefined),
  };
}

/** Metrics server and gates. */
export function httpOf(world: World, process: Process): Http {
  return {
    send(request) {
      const url = new URL(request.url);
      if (url.hostname === "prometheus") {
        return process.call("metrics", "query metrics", () => metricsAnswer(world, process, url));
      }
      const [, shop = "", hook = ""] = url.pathname.split("/");
      return process.call("hook", `call ${shop}/${hook}`, () => hookAnswer(world, process, { shop, hook }));
    },
  };
}

function metricsAnswer(world: World, process: Process, url: URL): HttpAnswer {
  const query = url.searchParams.get("query") ?? "";
  if (query.startsWith("count(")) {
    if (world.metricsDown) throw new UnavailableError("Cannot query Prometheus: it does not answer");
    const result = [{ metric: {}, value: [world.timeline.now / 1000, "12"] }];
    return json(200, { status: "success", data: { resultType: "vector", result } });
  }
  const shop = world.shops.find(({ name }) => query.includes(`"${name}`) || query.includes(`~"${name}`));
  if (shop === undefined) throw new RejectedError(`Cannot answer "${query}": it names no shop`);
  if (world.metricsDown) {
    world.asked(process, { shop, what: "metrics", answer: "down" });
    throw new UnavailableError("Cannot query Prometheus: it does not answer");
  }
  const rate = world.successRate(shop);
  world.asked(process, { shop, what: "metrics", answer: rate === null ? "no data" : rate >= 99 ? "good" : "bad" });
  const result = rate === null ? [] : [{ metric: {}, value: [world.timeline.now / 1000, String(rate)] }];
  return json(200, { status: "success", data: { resultType: "vector", result } });
}

function hookAnswer(
  world: World,
  process: Process,
  asked: { readonly shop: string; readonly hook: string },
): HttpAnswer {
  const shop = world.shops.find(({ name }) => name === asked.shop);
  if (shop === undefined) throw new RejectedError(`Cannot answer for "${asked.shop}"`);
  if (world.gatesDown) {
    world.asked(process, { shop, what: asked.hook, answer: "down" });
    throw new UnavailableError("Cannot call the gate: it does not answer");
  }
  const open = asked.hook !== "rollback" && !world.closedGates.has(`${asked.shop}/${asked.hook}`);
  world.asked(process, { shop, what: asked.hook, answer: open ? "good" : "bad" });
  return open ? json(200, {}) : { status: 403, headers: {}, body: "not now" };
}

function json(status: number, body: unknown): HttpAnswer {
  return { status, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}
