/**
 * The agent and a real forge: a private repository of Gitea's, a user that may push, a protected branch that refuses, push
 * webhooks that Gitea signs itself. The agent looks by itself only every ten minutes: what is quick came by a webhook.
 */
import { deepStrictEqual, match, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { runGit } from "../../../src/demo/clone.ts";
import { CANARY, MANIFEST, REPOSITORY } from "../../../src/demo/stage.ts";
import type { CanaryDetail } from "../../../src/ports/agent.ts";
import { isSound } from "../../support/fsck.ts";
import { gitEnv, runGit as stockGit } from "../../support/git_repository.ts";
import { makeSshKey } from "../../support/ssh_keys.ts";
import { until } from "../../support/until.ts";
import { fleetFiles } from "../fleet.ts";
import { agentHost } from "../servers/agent.ts";
import { type Gitea, type GiteaUser, startGitea } from "../servers/gitea.ts";
import { served, toldOf } from "../shares.ts";
import type { Run, Suite } from "../suite.ts";
import { openWorld, RIGHTS, type World } from "../world.ts";

const LOAD_PER_SECOND = 40;
const IMAGE = "registry.example/podinfo";
const FOLDER = ".serin/e2e/demo/podinfo";
const CANARY_FILE = "apps/podinfo/canary.yaml";
const EMAIL = "serin@example.com";
const PERSON = ["-c", "user.name=Robin", "-c", "user.email=robin@example.com"];
/** From a push of the person's until the agent has its commit: Gitea's queue, the delivery, one fetch. */
const AT_ONCE_MS = 10_000;
/** Ends before a refused push is tried again, which is after 48 to 72 seconds; the other one does not. */
const DEADLINE_S = 15;
const LONG_DEADLINE_S = 300;

/** The forge, who works with it, and what the agent signs with and listens for. */
interface Stand {
  readonly run: Run;
  readonly forge: Gitea;
  readonly person: GiteaUser;
  readonly world: World;
  readonly secret: string;
  /** Of the agent's key, for stock git. */
  readonly allowedSigners: string;
  /** The agent's user. */
  readonly agent: GiteaUser;
}

export const gitea: Suite = {
  name: "gitea",
  about: "a real forge: a private repository, a protected branch, webhooks that it signs itself",
  servers: ["etcd", "kubernetes", "contour", "envoy", "prometheus", "gitea"],
  async run(run) {
    const { forge, person, agent } = await startGitea(run);
    await forge.createRepository(REPOSITORY);
    await forge.invite(REPOSITORY, agent);
    const cloneUrl = forge.cloneUrl(REPOSITORY, person);
    const files = await releaseFiles();
    await firstCommit(`${run.folder}/first`, cloneUrl, files);
    const secret = crypto.randomUUID();
    const key = await makeSshKey("serin");
    const allowedSigners = `${run.folder}/allowed_signers`;
    await Deno.writeTextFile(allowedSigners, `${EMAIL} ${key.publicText}\n`);
    const named = { token: agent.token, hook: secret, key: key.privateText };
    for (const [name, text] of Object.entries(named)) await Deno.writeTextFile(`${run.folder}/forge.${name}`, text);
    const world = await openWorld(run, {
      files,
      engine: "self",
      rights: RIGHTS,
      forge: { url: forge.urlOf(REPOSITORY), cloneUrl },
      pollInterval: "10m",
      settings: settingsFor(run.folder, agent, DEADLINE_S),
    });
    const stand = { run, forge, person, world, secret, allowedSigners, agent };
    try {
      await stories(stand);
    } finally {
      await world.close();
    }
  },
};

/** One step is enough here: shares are judged elsewhere. */
async function releaseFiles(): Promise<Readonly<Record<string, string>>> {
  const files = await fleetFiles();
  const canary = files[CANARY_FILE] ?? "";
  ok(canary.includes("stepWeights: [10, 30, 60]"));
  return { ...files, [CANARY_FILE]: canary.replace("stepWeights: [10, 30, 60]", "stepWeights: [50]") };
}

/** More of the source, then of the configuration. */
function settingsFor(folder: string, agent: GiteaUser, deadlineS: number): string {
  return `    auth: { username: ${agent.name}, tokenFile: ${folder}/forge.token }
    webhookSecretFile: ${folder}/forge.hook
    signingKeyFile: ${folder}/forge.key
    authorEmail: ${EMAIL}
    statusRef: true
promotionDeadline: ${deadlineS}s
`;
}

async function firstCommit(dir: string, url: string, files: Readonly<Record<string, string>>): Promise<void> {
  await Deno.mkdir(dir);
  await runGit(dir, ["init", "--quiet", "--initial-branch=main"]);
  for (const [path, text] of Object.entries(files)) {
    await Deno.mkdir(`${dir}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(`${dir}/${path}`, text);
  }
  await runGit(dir, ["add", "--all"]);
  await runGit(dir, [...PERSON, "commit", "--quiet", "--message", "Add podinfo"]);
  await runGit(dir, ["push", "--quiet", url, "main"]);
}

async function stories(stand: Stand): Promise<void> {
  const { run: { checks }, world, forge } = stand;
  await checks.check("it logs in with a token, and its first lock is pushed to the private repository", async () => {
    await world.see("initialised", (view) => view.phase === "idle" && view.last?.outcome === "initialised");
    match(await committed(stand, `${FOLDER}/primary.yaml`), /podinfo:6\.0\.0/);
    const anonymous = await fetch(`${forge.urlOf(REPOSITORY)}/info/refs?service=git-upload-pack`);
    await anonymous.body?.cancel();
    strictEqual(anonymous.status, 401);
  });
  const load = world.load(LOAD_PER_SECOND);
  await hookedPromotion(stand);
  await wrongSignature(stand);
  await failedRelease(stand);
  await protectedBranch(stand);
  await openedAgain(stand);
  await load.stop();
  await checks.check("no request was lost", () => {
    deepStrictEqual(served(load.log).lost.slice(0, 5), [], toldOf(load.log));
    return toldOf(load.log);
  });
  await checks.check("what was written is signed, as stock git sees it, and passes its strictest check", async () => {
    await world.clone.pull();
    const ours = (await world.clone.git("log", "--format=%H", `--author=${EMAIL}`)).trim().split("\n");
    ok(ours.length >= 4, `${ours.length} commits`);
    const config = ["-c", "gpg.format=ssh", "-c", `gpg.ssh.allowedSignersFile=${stand.allowedSigners}`];
    for (const oid of ours) await stockGit(world.clone.dir, [...config, "verify-commit", oid], { env: gitEnv() });
    await isSound(forge.path(REPOSITORY));
    return `${ours.length} commits`;
  });
  await checks.check("progress was told in a ref of its own, and never on the branch", async () => {
    const ref = "refs/serin/status/e2e/main";
    match(await showed(stand, `${ref}:cluster.json`), /"cluster": "e2e"/);
    ok(!(await world.clone.git("log", "--format=%s")).includes("Progress in"));
  });
}

async function hookedPromotion(stand: Stand): Promise<void> {
  const { run: { checks }, world, forge, secret } = stand;
  let hook = 0;
  await checks.check("a push is known at once, by a webhook that Gitea has signed, and is promoted", async () => {
    hook = await addHook(stand, secret);
    const pushedMs = machineClock.now();
    const oid = await bump(world, "6.0.0", "6.0.1");
    await hasCommit(world, oid);
    const tookMs = machineClock.now() - pushedMs;
    await world.see("promoted", promoted("6.0.1"), 120_000);
    await world.clone.pull();
    strictEqual(await subject(world), "Promote demo/podinfo to podinfo:6.0.1");
    strictEqual(await forge.tip(REPOSITORY, "main"), (await world.clone.git("rev-parse", "HEAD")).trim());
    match(await committed(stand, `${FOLDER}/primary.yaml`), /podinfo:6\.0\.1/);
    return `known after ${tookMs} ms`;
  });
  await forge.removeHook(REPOSITORY, hook);
}

async function wrongSignature(stand: Stand): Promise<void> {
  const { run: { checks }, world, forge } = stand;
  const hook = await addHook(stand, "of somebody else");
  await checks.check("a delivery signed with another secret is refused, and nothing is fetched for it", async () => {
    const before = (await world.agent.canary(CANARY.namespace, CANARY.name))?.source.commit;
    const oid = await note(world, "Say hello");
    await logged(world, "webhook-refused");
    const after = (await world.agent.canary(CANARY.namespace, CANARY.name))?.source.commit;
    deepStrictEqual([after, after === oid], [before, false]);
  });
  await forge.removeHook(REPOSITORY, hook);
  await addHook(stand, stand.secret);
}

async function failedRelease(stand: Stand): Promise<void> {
  const { run: { checks }, world } = stand;
  await checks.check("a release that fails is put back in the repository by a commit of its own", async () => {
    const oid = await bump(world, "6.0.1", "6.0.2-bad");
    await hasCommit(world, oid);
    await world.see("failed", ({ phase, last }) => phase === "idle" && last?.outcome === "failed", 120_000);
    await until("the revert is pushed", async () => {
      return /podinfo:6\.0\.1 /.test(await committed(stand, MANIFEST)) || (await machineClock.sleep(200), false);
    }, 30_000);
    await world.clone.pull();
    match(await subject(world), /^Revert demo\/podinfo to podinfo:6\.0\.1/);
    match(await committed(stand, `${FOLDER}/status.yaml`), /quarantine:\n[^]*podinfo:6\.0\.2-bad/);
  });
}

async function protectedBranch(stand: Stand): Promise<void> {
  const { run: { checks }, world, forge, person } = stand;
  let bumped = "";
  await checks.check("a protected branch refuses the promotion: it says so, in Gitea's own words", async () => {
    await forge.protect(REPOSITORY, "main", [person]);
    bumped = await bump(world, "6.0.1", "6.0.3");
    const view = await world.see("refused", ({ waitsFor }) => /refused/.test(waitsFor ?? ""), 120_000);
    match(
      view.waitsFor ?? "",
      / not in Git yet: The push was refused: pre-receive hook declined: Not allowed to push to protected branch main$/,
    );
    return view.waitsFor ?? "";
  });
  await checks.check("after the deadline traffic goes back and it is held; nothing in Git has changed", async () => {
    const view = await world.see("held", ({ phase, last }) => phase === "idle" && last?.outcome === "held", 90_000);
    deepStrictEqual([view.weight, view.lockImages], [0, [`${IMAGE}:6.0.1`]]);
    strictEqual(await forge.tip(REPOSITORY, "main"), bumped);
    return view.last?.reason ?? "";
  });
  await checks.check("the protection lifted, it stays held until somebody asks, and then it is promoted", async () => {
    await forge.unprotect(REPOSITORY, "main");
    const oid = await note(world, "Say so");
    await hasCommit(world, oid);
    const view = await world.see("still held", ({ phase }) => phase === "idle");
    strictEqual(view.last?.outcome, "held");
    strictEqual(await world.agent.command(CANARY.namespace, CANARY.name, "retry"), 200);
    await world.see("promoted", promoted("6.0.3"), 120_000);
    await world.clone.pull();
    strictEqual(await subject(world), "Promote demo/podinfo to podinfo:6.0.3");
    notStrictEqual(await forge.tip(REPOSITORY, "main"), oid);
  });
}

async function openedAgain(stand: Stand): Promise<void> {
  const { run: { checks, folder }, world, forge, person, agent } = stand;
  let bumped = "";
  await checks.check("with a longer deadline a refused promotion waits, with the share that it had", async () => {
    await world.agent.running.kill();
    await world.startAgent(settingsFor(folder, agent, LONG_DEADLINE_S));
    await forge.protect(REPOSITORY, "main", [person]);
    bumped = await bump(world, "6.0.3", "6.0.4");
    const view = await world.see("refused", ({ waitsFor }) => /refused/.test(waitsFor ?? ""), 120_000);
    deepStrictEqual([view.weight, view.lockImages], [50, [`${IMAGE}:6.0.3`]]);
    strictEqual(await forge.tip(REPOSITORY, "main"), bumped);
    return view.phase;
  });
  await checks.check(
    "the branch opened again before the deadline, it is pushed by itself: nobody has to retry",
    async () => {
      await forge.unprotect(REPOSITORY, "main");
      const openedMs = machineClock.now();
      await world.see("promoted", promoted("6.0.4"), 120_000);
      const tookS = Math.round((machineClock.now() - openedMs) / 1000);
      await world.clone.pull();
      strictEqual(await subject(world), "Promote demo/podinfo to podinfo:6.0.4");
      // One commit on the bump, and no other attempt before it.
      strictEqual((await world.clone.git("rev-parse", "HEAD^")).trim(), bumped);
      match(await committed(stand, `${FOLDER}/primary.yaml`), /podinfo:6\.0\.4/);
      return `${tookS} s after it was opened`;
    },
  );
}

function addHook({ forge, world }: Stand, secret: string): Promise<number> {
  ok(world.agent.url.endsWith(agentHost()));
  return forge.addHook(REPOSITORY, { url: `${world.agent.url}/hooks/git/fleet`, secret });
}

const promoted = (version: string) => ({ phase, last, lockImages }: CanaryDetail): boolean =>
  phase === "idle" && last?.outcome === "succeeded" && lockImages[0] === `${IMAGE}:${version}`;

async function hasCommit(world: World, oid: string): Promise<void> {
  await world.see(`has ${oid.slice(0, 10)}`, ({ source }) => source.commit === oid, AT_ONCE_MS);
}

/** Waits for a line of the agent's log. */
async function logged(world: World, event: string): Promise<void> {
  const { logFile } = world.agent.running;
  await until(`the agent logs ${event}`, async () => {
    return (await Deno.readTextFile(logFile)).includes(event) || (await machineClock.sleep(100), false);
  }, AT_ONCE_MS);
}

/** A file of the branch. */
function committed(stand: Stand, file: string): Promise<string> {
  return showed(stand, `main:${file}`);
}

/** A file of the forge's repository at a ref, read where it lies. */
async function showed({ forge }: Stand, object: string): Promise<string> {
  const folder = forge.path(REPOSITORY);
  return new TextDecoder().decode(await stockGit(folder, ["-c", "safe.directory=*", "cat-file", "blob", object]));
}

function bump(world: World, from: string, to: string): Promise<string> {
  return world.clone.bump(MANIFEST, { from: `:${from}`, to: `:${to}`, message: `Bump podinfo to ${to}` });
}

/** Pushes a commit that concerns no canary. */
async function note(world: World, message: string): Promise<string> {
  const { clone } = world;
  await clone.pull();
  await clone.git(...PERSON, "commit", "--quiet", "--allow-empty", "--message", message);
  await clone.git("push", "--quiet", "origin", "HEAD:main");
  return (await clone.git("rev-parse", "HEAD")).trim();
}

async function subject(world: World): Promise<string> {
  return (await world.clone.git("log", "-1", "--format=%s")).trim();
}
