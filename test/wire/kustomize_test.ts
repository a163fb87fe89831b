/** `render: kustomize` with the real binary: what the agent reads from overlays, and what the writer puts back in them. */
import assert from "node:assert/strict";
import { openKustomize } from "../../adapters/platform/kustomize.ts";
import type { CatalogueEntry } from "../../src/core/catalogue.ts";
import type { DecisionOutcome } from "../../src/core/decision.ts";
import type { Release } from "../../src/core/release.ts";
import { renderLockFile } from "../../src/ledger/lock_file.ts";
import { createLedger } from "../../src/ledger/writer.ts";
import type { Renderer, RenderOutput } from "../../src/ports/renderer.ts";
import { kustomizeRelease } from "../../src/shell/kustomize_release.ts";
import { createSource, type RunningSource } from "../../src/shell/source.ts";
import { testCapabilities } from "../support/capabilities.ts";
import { findKustomize, NO_KUSTOMIZE, overlayFile, overlayFiles, SECRET_VALUE } from "../support/kustomize.ts";
import { aDecision, aLock, CLUSTER } from "../support/ledger_builders.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { MemoryGit } from "../support/memory_git.ts";
import { shopFiles } from "../support/shop_files.ts";
import { machineClock } from "../../adapters/platform/clock.ts";

const program = await findKustomize();
const PROD = "apps/overlays/prod/kustomization.yaml";
const TEST = "apps/overlays/test/kustomization.yaml";

interface Stand {
  readonly git: MemoryGit;
  readonly source: RunningSource;
  readonly renderer: Renderer;
  /** Folders that were rendered since the start. */
  readonly rendered: string[];
}

function stand(
  files: Readonly<Record<string, string>>,
  options: { readonly program?: string; readonly paths?: readonly string[]; readonly git?: MemoryGit } = {},
): Stand {
  const git = options.git ?? new MemoryGit(files);
  const name = options.program ?? program;
  const real = openKustomize({ clock: machineClock, ...(name === undefined ? {} : { program: name }) });
  const rendered: string[] = [];
  const renderer: Renderer = {
    id: "kustomize",
    render(input, signal): Promise<RenderOutput> {
      rendered.push(input.folder);
      return real.render(input, signal);
    },
  };
  const source = createSource({
    name: "main",
    remote: git.connect(),
    clock: new ManualClock(),
    pollMs: 30_000,
    paths: options.paths ?? ["apps"],
    cluster: "eu",
    capabilities: testCapabilities(),
    renderer,
  });
  return { git, source, renderer, rendered };
}

function entry(source: RunningSource, key: string): CatalogueEntry | undefined {
  assert.equal(source.view.problem, null);
  return source.view.catalogue?.entries.get(key);
}

function release(source: RunningSource, key: string): Release {
  const found = entry(source, key);
  if (found?.type !== "canary") throw new Error(`${key}: ${JSON.stringify(found)}`);
  return found.release;
}

function complaint(source: RunningSource, key: string): string {
  const found = entry(source, key);
  return found?.type === "broken" ? found.complaints.map(({ file, message }) => `${file}: ${message}`).join("\n") : "";
}

/** What failed releases of the tip come to, handed in at once, with an earlier release of each as the lock. */
async function revert(
  { git, source, renderer }: Stand,
  ...releases: readonly (readonly [key: string, good: Release])[]
): Promise<readonly DecisionOutcome["type"][]> {
  const ledger = createLedger({
    remote: git.connect(),
    reader: source,
    cluster: CLUSTER,
    clock: new ManualClock(),
    author: { name: "Serin", email: "serin@example.com" },
    isLeader: () => true,
    renderer: kustomizeRelease({ renderer, cluster: "eu", reaches: () => source.reaches }),
  });
  const decisions = releases.map(([key, good]) => {
    const [namespace = "", name = ""] = key.split("/");
    const canary = { namespace, name };
    const bad = release(source, key);
    const lock = aLock({ canary, release: good });
    const quarantine = { release: bad, reason: "It failed" };
    return aDecision({ id: `${key}/revert`, canary, kind: "revert", release: bad, lock, manifests: good, quarantine });
  });
  const settled = Promise.withResolvers<void>();
  const outcomes = () => decisions.map(({ id }) => ledger.outcome(id));
  ledger.onOutcome(() => outcomes().every((outcome) => outcome?.type !== "pending") && settled.resolve());
  const late = AbortSignal.timeout(60_000);
  late.addEventListener("abort", () => settled.reject(new Error(JSON.stringify(outcomes()))));
  const stop = new AbortController();
  const running = ledger.run(stop.signal);
  try {
    for (const decision of decisions) ledger.submit(decision);
    await settled.promise;
    return outcomes().map((outcome) => outcome?.type ?? "pending");
  } finally {
    stop.abort();
    await running;
  }
}

const cases: readonly [name: string, body: () => Promise<void>][] = [
  ["two overlays of one base are two canaries, each with what its overlay yields", async () => {
    const { source } = stand({ ...overlayFiles({ prod: "1.0.0", test: "1.1.0" }), ...shopFiles("3.0.0", ["plain"]) });
    await source.poll();
    assert.deepEqual([...source.view.catalogue?.entries.keys() ?? []], ["prod/plain", "prod/shop", "test/shop"]);
    assert.deepEqual(source.view.catalogue?.complaints, []);
    const { images, configs, target } = release(source, "prod/shop");
    assert.equal(images[0]?.image, "registry.example.com/shop:1.0.0");
    assert.equal(release(source, "test/shop").images[0]?.image, "registry.example.com/shop:1.1.0");
    assert.equal(target.metadata.namespace, "prod");
    assert.match(configs.map(({ name }) => name).join(" "), /^shop-config-\w{10} shop-secret-\w{10}$/);
    assert.ok(configs.every(({ digest }) => digest !== null));
  }],
  ["a commit renders only the overlays whose files it changes", async () => {
    const { git, source, rendered } = stand(overlayFiles({ prod: "1.0.0", test: "1.0.0" }));
    await source.poll();
    assert.deepEqual(rendered.splice(0).sort(), ["apps/overlays/prod", "apps/overlays/test"]);
    git.commit({ files: { "README.md": "hello\n", "apps/notes.yaml": "a: 1\n" }, message: "Note\n" });
    await source.poll();
    assert.deepEqual(rendered, []);
    const before = release(source, "prod/shop").revision;
    git.commit({ files: { "apps/overlays/prod/colour.txt": "red\n" }, message: "Red\n" });
    await source.poll();
    assert.deepEqual(rendered, ["apps/overlays/prod"]);
    assert.notEqual(release(source, "prod/shop").revision, before);
  }],
  ["an overlay that does not build stalls its canaries, and no others, and nothing counts as removed", async () => {
    const { git, source } = stand(overlayFiles({ prod: "1.0.0", test: "1.0.0" }));
    await source.poll();
    const broken =
      `${overlayFile("prod", "1.0.0")}patches:\n  - patch: |-\n      - {op: remove, path: /spec/nothing}\n` +
      "    target: {kind: Deployment, name: shop}\n";
    git.commit({ files: { [PROD]: broken, [TEST]: overlayFile("test", "1.1.0") }, message: "Break\n" });
    await source.poll();
    assert.match(
      complaint(source, "prod/shop"),
      /^apps\/overlays\/prod\/kustomization\.yaml: .*kustomize cannot build/,
    );
    assert.doesNotMatch(complaint(source, "prod/shop"), /\/tmp/);
    assert.equal(source.presence({ namespace: "prod", name: "shop" }), "broken");
    assert.equal(release(source, "test/shop").images[0]?.image, "registry.example.com/shop:1.1.0");
    git.commit({ files: { [PROD]: overlayFile("prod", "1.0.0") }, message: "Mend\n" });
    await source.poll();
    assert.equal(release(source, "prod/shop").images[0]?.image, "registry.example.com/shop:1.0.0");
    git.commit({ files: { [PROD]: null, "apps/overlays/prod/colour.txt": null }, message: "Remove\n" });
    await source.poll();
    assert.equal(source.presence({ namespace: "prod", name: "shop" }), "removed");
  }],
  ["without the program what is missing is said, and nothing counts as removed", async () => {
    const { source } = stand(overlayFiles({ prod: "1.0.0" }), { program: "/nowhere/kustomize" });
    await source.poll();
    assert.equal(source.view.state, "fresh");
    assert.equal(source.presence({ namespace: "prod", name: "shop" }), "unknown");
    assert.match(JSON.stringify(source.view.catalogue?.complaints), /no program .*kustomize.* here/);
  }],
  ["a source of one overlay reads the base that lies outside of its paths", async () => {
    const { source } = stand(overlayFiles({ prod: "1.0.0", test: "1.0.0" }), { paths: ["apps/overlays/prod"] });
    await source.poll();
    assert.deepEqual([...source.view.catalogue?.entries.keys() ?? []], ["prod/shop"]);
  }],
  ["an overlay that sets the field by a patch is all that its canary is read from", async () => {
    const files = overlayFiles({ prod: "1.0.0" });
    const { source } = stand({
      ...files,
      "apps/base/canary.yaml": (files["apps/base/canary.yaml"] ?? "").replace("  render: kustomize\n", ""),
      [PROD]: `${overlayFile("prod", "1.0.0")}patches:
  - target: {kind: Canary}
    patch: |-
      - op: add
        path: /spec/render
        value: kustomize
`,
    });
    await source.poll();
    const found = entry(source, "prod/shop");
    assert.deepEqual(found?.type === "canary" ? [found.canary.render, found.canary.source.file] : found, [
      "kustomize",
      PROD,
    ]);
    assert.deepEqual(source.view.catalogue?.complaints, []);
  }],
  ["a remote base is refused before anything runs", async () => {
    const { source, rendered } = stand({
      ...overlayFiles({ prod: "1.0.0" }),
      [PROD]: `${overlayFile("prod", "1.0.0")}components: ["https://example.com/org/repo?ref=v1"]\n`,
    });
    await source.poll();
    assert.deepEqual(rendered, []);
    assert.match(JSON.stringify(source.view.catalogue?.complaints), /is remote: nothing is fetched while rendering/);
  }],
  ["a build leaves no folder behind, and a slow one is stopped", async () => {
    const files = new Map(
      Object.entries(overlayFiles({ prod: "1.0.0" })).map(([path, text]) => [path, new TextEncoder().encode(text)]),
    );
    // Says which folder it was given, and is kustomize then.
    const dir = await Deno.makeTempDir({ prefix: "serin-test-" });
    const script = `#!/bin/sh\nfor last; do :; done\necho "$last" >> ${dir}/told\nexec ${program} "$@"\n`;
    await Deno.writeTextFile(`${dir}/kustomize`, script, { mode: 0o700 });
    const options = { clock: machineClock, program: `${dir}/kustomize` };
    const input = { folder: "apps/overlays/prod", files };
    assert.equal((await openKustomize(options).render(input)).type, "rendered");
    const refused = await openKustomize(options).render({ ...input, folder: "apps" });
    assert.equal(refused.type, "refused");
    await Deno.writeTextFile(`${dir}/kustomize`, script.replace("exec", "while :; do :; done; exec"));
    const slow = await openKustomize({ ...options, timeoutMs: 200 }).render(input);
    assert.equal(slow.type === "unavailable" ? slow.reason.split(":")[0] : slow.type, "kustomize was stopped");
    await assert.rejects(openKustomize(options).render(input, AbortSignal.abort(new Error("enough"))), /enough/);
    const told = (await Deno.readTextFile(`${dir}/told`)).trim().split("\n");
    assert.equal(told.length, 3);
    for (const folder of told) await assert.rejects(Deno.stat(folder.replace(/\/apps.*/, "")), Deno.errors.NotFound);
    await Deno.remove(dir, { recursive: true });
  }],
  ["the flags of deploy/overlays/kustomize.yaml are enough, and all that is opened", async () => {
    const patch = await Deno.readTextFile(new URL("../../deploy/overlays/kustomize.yaml", import.meta.url));
    const flags = patch.match(/--allow-\S+$/gm) ?? [];
    assert.deepEqual(flags, ["--allow-run=kustomize", "--allow-write=/tmp"]);
    const dir = await Deno.makeTempDir({ prefix: "serin-test-" });
    await Deno.symlink(program ?? "", `${dir}/kustomize`);
    const child = new URL("../support/kustomize_child.ts", import.meta.url).pathname;
    const process = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--frozen", "--ignore-env", ...flags, child],
      env: { PATH: `${dir}:/usr/bin:/bin`, TMPDIR: "/tmp" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = process.stdin.getWriter();
    await writer.write(new TextEncoder().encode(JSON.stringify(overlayFiles({ prod: "1.0.0" }))));
    await writer.close();
    const { stdout, stderr } = await process.output();
    await Deno.remove(dir, { recursive: true });
    assert.match(
      new TextDecoder().decode(stdout),
      /image: registry\.example\.com\/shop:1\.0\.0/,
      new TextDecoder().decode(stderr),
    );
  }],
  ["a failed bump of an overlay's images goes back to the byte, with what came later in the file", async () => {
    const parts = stand(overlayFiles({ prod: "1.0.0", test: "1.0.0" }));
    await parts.source.poll();
    const good = release(parts.source, "prod/shop");
    parts.git.commit({ files: { [PROD]: `${overlayFile("prod", "1.1.0")}# later\n` }, message: "Bump\n" });
    await parts.source.poll();
    assert.deepEqual(await revert(parts, ["prod/shop", good]), ["committed"]);
    assert.equal(parts.git.text(PROD), `${overlayFile("prod", "1.0.0")}# later\n`);
    assert.equal(parts.git.text(TEST), overlayFile("test", "1.0.0"));
    const written = parts.git.text(".serin/eu/prod/shop/status.yaml") ?? "";
    const lock = parts.git.text(".serin/eu/prod/shop/primary.yaml") ?? "";
    assert.match(written, /quarantine/);
    for (const form of [SECRET_VALUE, btoa(SECRET_VALUE)]) assert.ok(!written.includes(form) && !lock.includes(form));
    // What is declared once more is what the lock says.
    await parts.source.poll();
    assert.equal(release(parts.source, "prod/shop").revision, good.revision);
  }],
  ["the image of the base goes back for one overlay, and is left alone where two are served from it", async () => {
    const alone = stand(overlayFiles({ prod: null, test: "1.0.0" }));
    await alone.source.poll();
    const base = alone.git.text("apps/base/deployment.yaml") ?? "";
    const good = release(alone.source, "prod/shop");
    alone.git.commit({ files: { "apps/base/deployment.yaml": base.replace("0.9.0", "0.9.1") }, message: "Bump\n" });
    await alone.source.poll();
    assert.deepEqual(await revert(alone, ["prod/shop", good]), ["committed"]);
    assert.equal(alone.git.text("apps/base/deployment.yaml"), base);

    const both = stand(overlayFiles({ prod: null, test: null }));
    await both.source.poll();
    const before = release(both.source, "prod/shop");
    both.git.commit({ files: { "apps/base/deployment.yaml": base.replace("0.9.0", "0.9.1") }, message: "Bump\n" });
    await both.source.poll();
    assert.deepEqual(await revert(both, ["prod/shop", before]), ["committed"]);
    assert.match(both.git.text("apps/base/deployment.yaml") ?? "", /shop:0\.9\.1/);
    assert.match(both.git.log(1)[0]?.message ?? "", /left alone: canary "test\/shop" depends/);
  }],
  ["two overlays go back in one push, each proven on what the other one wrote", async () => {
    const parts = stand(overlayFiles({ prod: "1.0.0", test: "1.0.0" }));
    await parts.source.poll();
    const [prod, test] = [release(parts.source, "prod/shop"), release(parts.source, "test/shop")];
    const bumped = { [PROD]: overlayFile("prod", "1.1.0"), [TEST]: overlayFile("test", "1.1.0") };
    parts.git.commit({ files: bumped, message: "Bump\n" });
    await parts.source.poll();
    assert.deepEqual(await revert(parts, ["prod/shop", prod], ["test/shop", test]), ["committed", "committed"]);
    assert.deepEqual([parts.git.text(PROD), parts.git.text(TEST)], [
      overlayFile("prod", "1.0.0"),
      overlayFile("test", "1.0.0"),
    ]);
  }],
  ["the image of the base is left alone where another cluster is promoted from an overlay of it", async () => {
    const files = overlayFiles({ prod: null, us: null });
    const us = "apps/overlays/us/kustomization.yaml";
    const lock = aLock({ cluster: { name: "us", uid: "uid-us" }, canary: { namespace: "prod", name: "shop" } });
    const parts = stand(
      { ...files, ".serin/us/prod/shop/primary.yaml": renderLockFile(lock, { canary: us, target: us }) },
      { paths: ["apps/overlays/prod"] },
    );
    await parts.source.poll();
    const good = release(parts.source, "prod/shop");
    const base = (files["apps/base/deployment.yaml"] ?? "").replace("0.9.0", "0.9.1");
    parts.git.commit({ files: { "apps/base/deployment.yaml": base }, message: "Bump\n" });
    await parts.source.poll();
    assert.deepEqual(await revert(parts, ["prod/shop", good]), ["committed"]);
    assert.equal(parts.git.text("apps/base/deployment.yaml"), base);
    assert.match(parts.git.log(1)[0]?.message ?? "", /left alone: cluster "us" depends/);
  }],
];

if (program !== undefined) { for (const [name, body] of cases) Deno.test(`kustomize: ${name}`, body); }
else {
  const line = `kustomize: ${cases.length} tests left out: ${NO_KUSTOMIZE}\n`;
  await Deno.stderr.write(new TextEncoder().encode(line));
}
