/**
 * A cluster that takes writes only while this replica leads, asked again right before each of them: a process that was
 * frozen between two writes wakes up with fresh caches and would otherwise go on with what it decided long ago.
 */
import { ConflictError } from "../errors.ts";
import type { Cluster } from "../ports/cluster.ts";

/** @throws {ConflictError} from every write once `mayWrite` says no; reads and dry runs always pass */
export function fencedCluster(cluster: Cluster, mayWrite: () => boolean): Cluster {
  async function guarded<T>(write: () => Promise<T>): Promise<T> {
    if (!mayWrite()) throw new ConflictError("Cannot write to the cluster: this replica does not lead any more");
    return await write();
  }
  return {
    watch: (scope, signal) => cluster.watch(scope, signal),
    get: (ref) => cluster.get(ref),
    all: (apiVersion, kind, namespace) => cluster.all(apiVersion, kind, namespace),
    derived: (apiVersion, kind, of) => cluster.derived(apiVersion, kind, of),
    live: (ref, signal) => cluster.live(ref, signal),
    list: (scope, signal) => cluster.list(scope, signal),
    onChange: (listener) => cluster.onChange(listener),
    get requests() {
      return cluster.requests;
    },
    create: (object, options) => guarded(() => cluster.create(object, options)),
    apply: (object, options) =>
      options?.dryRun === true ? cluster.apply(object, options) : guarded(() => cluster.apply(object, options)),
    patch: (ref, patch, options) => guarded(() => cluster.patch(ref, patch, options)),
    replace: (object, options) => guarded(() => cluster.replace(object, options)),
    scale: (ref, replicas, options) => guarded(() => cluster.scale(ref, replicas, options)),
    remove: (ref, options) => guarded(() => cluster.remove(ref, options)),
  };
}
