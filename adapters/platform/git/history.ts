/**
 * Commits without their trees: a log, and whether one commit is behind another. Servers with partial clone send commits
 * alone (about 200 bytes each); from others the trees come along and are dropped.
 */
import type { Oid } from "../../../src/ports/git.ts";
import { parseCommit, type ParsedCommit } from "./commit.ts";
import type { Connection } from "./connection.ts";
import type { ObjectSource } from "./objects.ts";

/** Commits remembered between two logs; beyond that, only the last log's. */
const KNOWN_MAX = 5000;
const NOTHING: ObjectSource = { get: () => undefined };

export class History {
  readonly #connection: Connection;
  #known = new Map<Oid, ParsedCommit>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Commits from `tip` backwards, newest committer date first, at most `max`.
   *
   * @param local where `tip` itself is; spares a request when the rest is known from an earlier log
   */
  async log(tip: Oid, max: number, context: { local: ObjectSource; signal?: AbortSignal | undefined }) {
    const known = walk(tip, max, (oid) => this.#known.get(oid) ?? commitIn(context.local, oid));
    if (known.isWhole) return known.commits;
    const request = { wants: [tip], deepen: max, filter: "tree:0" };
    const { objects } = await this.#connection.fetchObjects(request, NOTHING, context.signal);
    if (this.#known.size > KNOWN_MAX) this.#known = new Map();
    for (const oid of objects.keys()) {
      const commit = objects.typeOf(oid) === "commit" ? commitIn(objects, oid) : undefined;
      if (commit !== undefined) this.#known.set(oid, commit);
    }
    return walk(tip, max, (oid) => this.#known.get(oid)).commits;
  }

  /**
   * Whether `commit` is `tip` or among what was committed between `base` and `tip`.
   *
   * @param base a commit that we have and that the branch was at
   */
  async contains(tip: Oid, commit: Oid, context: { base: Oid; local: ObjectSource; signal?: AbortSignal | undefined }) {
    if (tip === commit) return true;
    const { base, local, signal } = context;
    const request = { wants: [tip], haves: [base], shallow: [base], filter: "tree:0" };
    const { objects } = await this.#connection.fetchObjects(request, local, signal);
    const between = walk(tip, objects.size, (oid) => {
      return objects.typeOf(oid) === "commit" ? commitIn(objects, oid) : undefined;
    });
    return between.commits.some((found) => found.oid === commit);
  }
}

function commitIn(source: ObjectSource, oid: Oid): ParsedCommit | undefined {
  const object = source.get(oid);
  return object === undefined ? undefined : parseCommit(oid, object);
}

/** `isWhole` is false when the walk met a commit that is not known before it had enough. */
function walk(tip: Oid, max: number, find: (oid: Oid) => ParsedCommit | undefined) {
  const commits: ParsedCommit[] = [];
  const seen = new Set<Oid>();
  const frontier: ParsedCommit[] = [];
  let missing = 0;
  const visit = (oid: Oid) => {
    if (seen.has(oid)) return;
    seen.add(oid);
    const commit = find(oid);
    if (commit === undefined) missing++;
    else frontier.push(commit);
  };
  visit(tip);
  while (frontier.length > 0 && commits.length < max) {
    const newest = frontier.reduce((best, one, index) => isNewer(one, frontier[best]) ? index : best, 0);
    const [commit] = frontier.splice(newest, 1);
    if (commit === undefined) break;
    commits.push(commit);
    // The last one's parents do not matter, so they need not be known.
    if (commits.length < max) commit.parents.forEach(visit);
  }
  return { commits, isWhole: missing === 0 };
}

function isNewer(one: ParsedCommit, other: ParsedCommit | undefined): boolean {
  return other === undefined || one.committedMs > other.committedMs;
}
