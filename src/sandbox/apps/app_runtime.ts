/** Runs pods as in-process applications, and knows where each listens: pods share one loopback address. */
import type { KubeObject } from "../../core/kube_object.ts";
import { listAt, stringAt } from "../../core/kube_object.ts";
import { InvalidSpecError } from "../../errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { AddressOf } from "../object_source.ts";
import type { PodProcess, PodRuntime } from "../pod_runtime.ts";
import { type Behaviour, behaviourByName } from "./behaviour.ts";
import { startPodApp } from "./pod_app.ts";

export interface AppRuntimeOptions {
  readonly clock: Clock;
  /** Chosen once, when a pod starts; by the words in the tag unless told otherwise. */
  readonly behaviourOf?: (image: string) => Behaviour;
}

export interface AppRuntime extends PodRuntime {
  /** Undefined before a pod's start and after its end. */
  readonly addressOf: AddressOf;
  /** Ends everything at once. */
  stopAll(): Promise<void>;
}

/** Pods that may run at once; each is a listener of its own. */
const PODS_MAX = 2_000;

export function createAppRuntime(options: AppRuntimeOptions): AppRuntime {
  const { clock, behaviourOf = behaviourByName } = options;
  const running = new Map<string, PodProcess>();
  return {
    start(pod: KubeObject): Promise<PodProcess> {
      return Promise.try(() => {
        const { name, namespace = "default" } = pod.metadata;
        if (running.size >= PODS_MAX) {
          throw new Error(`Cannot start pod "${namespace}/${name}": ${PODS_MAX} run already`);
        }
        const process = startPodApp({ namespace, name }, behaviourOf(imageOf(pod)), clock);
        const key = keyOf(namespace, name);
        running.set(key, process);
        void process.exited.then(() => {
          if (running.get(key) === process) running.delete(key);
        });
        return process;
      });
    },
    addressOf: (namespace, name) => running.get(keyOf(namespace, name))?.address,
    async stopAll() {
      await Promise.all([...running.values()].map((process) => process.stop(0)));
    },
  };
}

/** The first container is the application; others are sidecars, which the sandbox does not run. */
function imageOf(pod: KubeObject): string {
  const image = stringAt(listAt(pod, "spec", "containers")[0], "image");
  if (image === undefined || image === "") {
    throw new InvalidSpecError(`Cannot start pod "${pod.metadata.name}": its first container names no image`);
  }
  return image;
}

function keyOf(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}
