/** Pods for tests of controllers: what each does follows from its image's tag, by a clock moved by hand. */
import { type KubeObject, listAt, stringAt } from "../../src/core/kube_object.ts";
import type { PodProcess, PodRuntime } from "../../src/sandbox/pod_runtime.ts";
import type { ManualClock } from "./manual_clock.ts";

/** Images: "app:1" gets ready at once, "app:slow" after 5 s, "app:never" never, "app:crash" ends after 1 s. */
export class ScriptedRuntime implements PodRuntime {
  readonly #clock: ManualClock;
  #port = 9000;
  /** "pod image" of each start, in order. */
  readonly started: string[] = [];

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  start(pod: KubeObject): Promise<PodProcess> {
    const image = stringAt(listAt(pod, "spec", "containers")[0], "image") ?? "";
    this.started.push(`${pod.metadata.name} ${image}`);
    const exited = Promise.withResolvers<void>();
    const ended = new AbortController();
    const end = () => {
      ended.abort();
      exited.resolve();
    };
    if (image.endsWith(":crash")) this.#clock.sleep(1000, ended.signal).then(end, () => {});
    const ready = image.endsWith(":slow")
      ? this.#clock.sleep(5000, ended.signal).then(() => true, () => false)
      : Promise.resolve(!image.endsWith(":never"));
    return Promise.resolve({
      address: { hostname: "127.0.0.1", port: this.#port++ },
      ready,
      exited: exited.promise,
      stop: () => {
        end();
        return Promise.resolve();
      },
    });
  }
}
