/**
 * Least privilege, shown: the agent runs as its own process with the Deno flags of deploy/base/deployment.yaml and the
 * rights of deploy/rbac through a first start, a promotion, a revert and a hand-back. What it asks beyond them fails
 * the test, and so does a right that nothing uses.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import type { KubeObject } from "../../src/core/kube_object.ts";
import type { Clone } from "../../src/demo/clone.ts";
import { CANARY, MANIFEST } from "../../src/demo/stage.ts";
import { ACCOUNT, type Cast, withCast } from "../support/cast.ts";
import { type Grant, grantsTo, objectsIn, rightsOf } from "../support/rbac.ts";
import { until } from "../support/until.ts";

const DEPLOY = new URL("../../deploy/", import.meta.url);
const CANARY_FILE = "apps/podinfo/canary.yaml";

/** Rights that these runs do not use, each with why it is given. docs/security.md says the same. */
const NOT_USED_HERE: Readonly<Record<string, string>> = {
  "get configmaps": "read again after a write conflict",
  "get services": "read again after a write conflict",
  "get deployments.apps": "read again after a write conflict",
  "get horizontalpodautoscalers.autoscaling": "read again after a write conflict",
  "get httproutes.gateway.networking.k8s.io": "read again after a write conflict",
  "get virtualservices.networking.istio.io": "read again after a write conflict",
  "get destinationrules.networking.istio.io": "read again after a write conflict",
  "list networkpolicies.networking.k8s.io": "looked for before a first start; the sandbox does not serve them",
  "list sidecars.networking.istio.io": "looked for before a first start; the sandbox does not serve them",
  "list authorizationpolicies.security.istio.io": "looked for before a first start; the sandbox does not serve them",
  "list peerauthentications.security.istio.io": "looked for before a first start; the sandbox does not serve them",
  "list requestauthentications.security.istio.io": "looked for before a first start; the sandbox does not serve them",
  "list canaries.flagger.app": "used for Flagger's Canaries, in a test of their own",
  "watch canaries.flagger.app": "used for Flagger's Canaries, in a test of their own",
};

async function grantsOf(...files: readonly string[]): Promise<readonly Grant[]> {
  const texts = await Promise.all(files.map((file) => Deno.readTextFile(new URL(`rbac/${file}.yaml`, DEPLOY))));
  return grantsTo(ACCOUNT, texts.flatMap(objectsIn));
}

/** Those of the rights that nothing used and nothing excuses. */
function idle(grants: readonly Grant[], used: ReadonlySet<string>): readonly string[] {
  return rightsOf(grants).filter((right) => !used.has(right) && !(right.replace(/^.*: /, "") in NOT_USED_HERE));
}

/** Waits, and says what the agent said where it waits in vain. */
async function seen(cast: Cast, what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  try {
    await until(what, condition, 60_000);
  } catch (error) {
    const lists = await (await cast.ask(`/api/v1/canaries/${CANARY.namespace}/${CANARY.name}`)).text();
    throw new Error(`${error}; refused: ${cast.gate.refused.join(", ")}; ${lists}\n${cast.agent.lines.join("\n")}`);
  }
}

/** Waits for a subject on the branch. */
async function committed(cast: Cast, subject: string): Promise<void> {
  await seen(cast, `"${subject}" is committed`, async () => {
    await cast.clone.pull();
    return (await cast.clone.git("log", "--format=%s")).split("\n").includes(subject);
  });
}

async function commit(clone: Clone, subject: string): Promise<void> {
  const person = ["-c", "user.name=Robin", "-c", "user.email=robin@example.com"];
  await clone.git(...person, "commit", "--quiet", "--message", subject);
  await clone.git("push", "--quiet", "origin", "HEAD:main");
}

/** Removes files from Git, and says that the removal is meant, which is asked where a source loses all its canaries. */
async function removeFromGit(cast: Cast, ...files: readonly string[]): Promise<void> {
  await cast.clone.git("rm", "--quiet", ...files);
  await commit(cast.clone, "Remove the canary");
  await seen(cast, "the removal waits to be confirmed", async () => {
    const canary = await (await cast.ask(`/api/v1/canaries/${CANARY.namespace}/${CANARY.name}`)).text();
    return canary.includes("Many canaries went from Git");
  });
}

async function confirmRemoval(cast: Cast): Promise<void> {
  const answer = await cast.ask("/api/v1/confirm-removal", { method: "POST", body: "{}" });
  strictEqual(answer.status, 200, await answer.text());
  await seen(cast, "nothing derived and no state is left", () => {
    const { store } = cast.sandbox.api;
    const names = ["v1/ConfigMap", "apps/v1/Deployment"].flatMap((kind) => {
      const [name = "", ...version] = kind.split("/").reverse();
      return store.list(version.reverse().join("/"), name, CANARY.namespace).map(({ metadata }) => metadata.name);
    });
    return names.every((name) => name === "podinfo");
  });
}

/** The Canary alone goes: the target serves again. */
async function handBack(cast: Cast): Promise<void> {
  await removeFromGit(cast, CANARY_FILE);
  await confirmRemoval(cast);
}

/** The application goes altogether: from Git, and its Deployment from the cluster. */
async function removeAll(cast: Cast): Promise<void> {
  await removeFromGit(cast, CANARY_FILE, MANIFEST);
  cast.sandbox.api.store.remove({ apiVersion: "apps/v1", kind: "Deployment", ...CANARY });
  await confirmRemoval(cast);
}

const SCALER = `apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: { name: podinfo, namespace: demo }
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: podinfo }
  minReplicas: 1
  maxReplicas: 3
`;

/** The demo with an autoscaler and a Secret, which ask for rights of their own. */
function withScalerAndSecret(files: Record<string, string>): void {
  files["apps/podinfo/scaler.yaml"] = SCALER;
  files[CANARY_FILE] = (files[CANARY_FILE] ?? "").replace(
    "  service:\n",
    "  revertOnDeletion: true\n  autoscalerRef: { apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, name: podinfo }\n  service:\n",
  );
  files[MANIFEST] = (files[MANIFEST] ?? "").replace(
    "          env:\n",
    "          envFrom:\n            - secretRef:\n                name: login\n          env:\n",
  );
}

const LOGIN: KubeObject = {
  apiVersion: "v1",
  kind: "Secret",
  metadata: { name: "login", namespace: CANARY.namespace },
  data: { password: btoa("correct horse") },
};

/** Variables that packages look up when they are loaded, and get no answer to. */
const UNANSWERED = ["IGNORE_TEST_WIN32", "LOG_TOKENS", "LOG_STREAM"];

interface Asked {
  readonly permission: string;
  /** null: all of its kind, as `Deno.env.toObject` asks. */
  readonly value: string | null;
}

/** The grant of a flag that an asked permission falls under, or null. */
function grantFor({ permission, value }: Asked, flags: readonly string[]): string | null {
  const granted = flags.find((flag) => flag.startsWith(`--allow-${permission}=`))?.split("=")[1]?.split(",") ?? [];
  const covers = (grant: string): boolean => {
    switch (permission) {
      case "read":
        return value?.startsWith(`${grant}/`) === true;
      case "net":
        return value === grant || URL.parse(value ?? "")?.host === grant;
      case "env":
        // The whole environment is read through what is allowed of it.
        return grant === value || grant.endsWith("*") && (value === null || value.startsWith(grant.slice(0, -1)));
      default:
        return false;
    }
  };
  const found = granted.find(covers);
  return found === undefined ? null : `--allow-${permission} ${found}`;
}

/** Holds what the runtime was asked for against the flags: nothing beyond them, and none of them for nothing. */
async function checkAudit(cast: Cast): Promise<void> {
  const lines = (await Deno.readTextFile(cast.auditFile)).trim().split("\n");
  const all = [...new Set(lines)].map((line): Asked => JSON.parse(line));
  const used = new Set<string>();
  const beyond = all.filter((asked) => {
    const grant = grantFor(asked, cast.flags);
    if (grant !== null) used.add(grant);
    return grant === null && !(asked.permission === "env" && UNANSWERED.includes(asked.value ?? ""));
  });
  deepStrictEqual(beyond, []);
  const granted = cast.flags.flatMap((flag) => {
    const [name = "", values = ""] = flag.split("=");
    return name.startsWith("--allow-") ? values.split(",").map((value) => `${name} ${value}`) : [];
  });
  deepStrictEqual(granted.filter((grant) => !used.has(grant)), []);
}

Deno.test("a promotion and a revert need no more than the flags and the rights that are documented", async () => {
  const grants = await grantsOf("base", "identity", "leader_election", "router_gatewayapi", "secrets_copy");
  await withCast({ grants, change: withScalerAndSecret, objects: [LOGIN] }, async (cast) => {
    await committed(cast, "Initialise demo/podinfo at podinfo:6.0.0");
    await cast.clone.bump(MANIFEST, { from: ":6.0.0", to: ":6.0.1", message: "Bump podinfo to 6.0.1" });
    await committed(cast, "Promote demo/podinfo to podinfo:6.0.1");
    await cast.clone.bump(MANIFEST, { from: ":6.0.1", to: ":6.0.2-bad", message: "Bump podinfo to 6.0.2-bad" });
    await committed(cast, "Revert demo/podinfo to podinfo:6.0.1");
    await removeAll(cast);
    const metrics = await (await cast.ask("/metrics")).text();
    ok(metrics.includes("serin_rollouts_total"), "metrics are served");
    const { code, errors } = await cast.agent.end();
    strictEqual(errors, "");
    strictEqual(code, 0);
    deepStrictEqual(cast.gate.refused, []);
    deepStrictEqual(idle(grants, cast.gate.used), []);
    await checkAudit(cast);
  });
});

Deno.test("a hand-back needs no more than the rights that are documented", async () => {
  const grants = await grantsOf("base", "identity", "leader_election", "router_gatewayapi");
  const change = (files: Record<string, string>): void => {
    files[CANARY_FILE] = (files[CANARY_FILE] ?? "").replace("  service:\n", "  revertOnDeletion: true\n  service:\n");
  };
  await withCast({ grants, change, settings: "secrets: { copy: false }" }, async (cast) => {
    await committed(cast, "Initialise demo/podinfo at podinfo:6.0.0");
    await handBack(cast);
    deepStrictEqual(cast.gate.refused, []);
  });
});

const ISTIO_CANARY = `apiVersion: flagger.app/v1beta1
kind: Canary
metadata:
  name: podinfo
  namespace: demo
  annotations: { serin.dev/promotion.settle: 1s }
spec:
  provider: istio
  revertOnDeletion: true
  targetRef: { apiVersion: apps/v1, kind: Deployment, name: podinfo }
  service: { port: 80, targetPort: 9898, hosts: [podinfo.example.com] }
  analysis: { interval: 10s, threshold: 2, stepWeight: 50, maxWeight: 50 }
`;

Deno.test("Flagger's Canaries on Istio need the rights of their files, and no others", async () => {
  const grants = await grantsOf("router_istio");
  const base = await grantsOf("base", "identity", "leader_election");
  const change = (files: Record<string, string>): void => void (files[CANARY_FILE] = ISTIO_CANARY);
  const settings = "secrets: { copy: false }";
  await withCast({ grants: [...base, ...grants], change, settings }, async (cast) => {
    await committed(cast, "Initialise demo/podinfo at podinfo:6.0.0");
    await removeAll(cast);
    deepStrictEqual(cast.gate.refused, []);
    deepStrictEqual(idle(grants, cast.gate.used), []);
    ok([...cast.gate.used].some((right) => right.endsWith("watch canaries.flagger.app")));
  });
});
