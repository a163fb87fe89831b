/**
 * Image references as text: "registry:port/path/name:tag@digest" and its parts. Knows nothing of where they are written.
 *
 * @see distribution/reference, the grammar: https://pkg.go.dev/github.com/distribution/reference
 */

/** What an image reference says. */
export interface ImageReference {
  /** With the registry, where one is written: "ghcr.io/acme/shop". */
  readonly name: string;
  readonly tag: string | null;
  /** With its algorithm: "sha256:…". */
  readonly digest: string | null;
}

const COMPONENT = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const DOMAIN_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?";
const HOST = `(?:${DOMAIN_LABEL}(?:\\.${DOMAIN_LABEL})*|\\[[0-9A-Fa-f:]+\\])(?::[0-9]+)?`;
const NAME = `(?:${HOST}/)?${COMPONENT}(?:/${COMPONENT})*`;
const TAG = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
const DIGEST = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,}";

const REFERENCE = new RegExp(`^(${NAME})(?::(${TAG}))?(?:@(${DIGEST}))?$`);
const NAME_ALONE = new RegExp(`^${NAME}$`);
const TAG_OR_BOTH = new RegExp(`^(${TAG})(?:@(${DIGEST}))?$`);

/** The parts of a reference; null where the text is none, such as one with a variable in it. */
export function parseImage(text: string): ImageReference | null {
  const match = REFERENCE.exec(text);
  const name = match?.[1];
  return name === undefined ? null : { name, tag: match?.[2] ?? null, digest: match?.[3] ?? null };
}

/** The text of a reference; `parseImage` gives the same parts again. */
export function formatImage({ name, tag, digest }: ImageReference): string {
  return `${name}${tag === null ? "" : `:${tag}`}${digest === null ? "" : `@${digest}`}`;
}

/** Whether a text is an image name, without tag and digest. */
export function isImageName(text: string): boolean {
  return NAME_ALONE.test(text);
}

/** A tag as some write it, its digest behind it: "1.0@sha256:…". Null where it is neither. */
export function parseTag(text: string): Omit<ImageReference, "name"> | null {
  const match = TAG_OR_BOTH.exec(text);
  const tag = match?.[1];
  return tag === undefined ? null : { tag, digest: match?.[2] ?? null };
}

/** The registry of a name, null where it is left to the container runtime, and the rest. */
export function splitName(name: string): { readonly registry: string | null; readonly repository: string } {
  const cut = name.indexOf("/");
  const first = name.slice(0, Math.max(cut, 0));
  const isHost = /[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase();
  return isHost ? { registry: first, repository: name.slice(cut + 1) } : { registry: null, repository: name };
}

/** The name as a container runtime completes it: "nginx" is "docker.io/library/nginx". */
export function fullName(name: string): string {
  const { registry, repository } = splitName(name);
  const isHub = registry === null || registry === "docker.io" || registry === "index.docker.io";
  if (!isHub) return name;
  return `docker.io/${repository.includes("/") ? repository : `library/${repository}`}`;
}

/** Whether two names are one but for a registry that one of them leaves out, as charts put it before what values give. */
export function sameRepository(a: string, b: string): boolean {
  const [left, right] = [splitName(a), splitName(b)];
  return (left.registry === null || right.registry === null) && left.repository === right.repository;
}

/** Whether two names may be one image's. */
export function isSameName(a: string, b: string): boolean {
  return sameRepository(a, b) || fullName(a) === fullName(b);
}
