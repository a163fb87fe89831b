/**
 * How versions of the sandbox's application behave, chosen by image: a tag says by its words what is wrong with it
 * ("6.0.1-bad", "6.0.1-slow"), or a table of images says exactly.
 */
import { InvalidSpecError } from "../../errors.ts";

export interface Behaviour {
  /** Shown in answers and logs: the image's tag, unless the table says otherwise. */
  readonly version: string;
  /** Share of requests answered 500, 0 to 1. */
  readonly errorRate: number;
  /** Half of all answers take at most p50, 99 of 100 at most p99 milliseconds; 0 and 0 is "at once". */
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  /** From start to a passing readiness probe. */
  readonly startupMs: number;
  /** The readiness probe never passes. */
  readonly neverReady?: boolean;
  /** The process ends by itself so long after its start. */
  readonly crashAfterMs?: number;
}

/** Words in a tag that change how it behaves. Several may stand in one tag. */
const WORDS: Readonly<Record<string, Partial<Behaviour>>> = {
  bad: { errorRate: 0.5 },
  flaky: { errorRate: 0.05 },
  broken: { errorRate: 1 },
  slow: { latencyMs: { p50: 400, p99: 1500 } },
  unready: { neverReady: true },
  crash: { crashAfterMs: 5_000 },
};

const GOOD: Omit<Behaviour, "version"> = { errorRate: 0, latencyMs: { p50: 5, p99: 25 }, startupMs: 200 };

/** What an image's tag says. */
export function behaviourByName(image: string): Behaviour {
  const version = tagOf(image);
  const words = version.toLowerCase().split(/[^a-z]+/).flatMap((word) => WORDS[word] ?? []);
  return Object.assign({ version, ...GOOD }, ...words);
}

/**
 * A lookup over a table of images; images that are not in it are judged by name.
 *
 * @throws {InvalidSpecError} a row's rate or latency makes no sense
 */
export function behaviourTable(
  rows: Readonly<Record<string, Partial<Behaviour>>>,
): (image: string) => Behaviour {
  const table = new Map(Object.entries(rows).map(([image, row]) => [image, { ...behaviourByName(image), ...row }]));
  for (const [image, { errorRate, latencyMs }] of table) {
    if (!(errorRate >= 0 && errorRate <= 1) || !(latencyMs.p50 >= 0 && latencyMs.p99 >= latencyMs.p50)) {
      throw new InvalidSpecError(`Cannot use the behaviour of image "${image}": a rate is 0 to 1, and p50 at most p99`);
    }
  }
  return (image) => table.get(image) ?? behaviourByName(image);
}

/** "6.0.0" of "registry.example:5000/podinfo:6.0.0@sha256:…"; "latest" where there is none. */
export function tagOf(image: string): string {
  const [name = ""] = image.split("@");
  const last = name.slice(name.lastIndexOf("/") + 1);
  return last.includes(":") ? last.slice(last.indexOf(":") + 1) : "latest";
}

/** 2.3263 standard deviations above the middle lie 99 of 100 values. */
const P99_DEVIATIONS = 2.3263478740408408;

/** One latency in milliseconds, log-normal through the two percentiles. @param random in [0, 1) */
export function drawLatencyMs({ p50, p99 }: Behaviour["latencyMs"], random: () => number): number {
  if (p50 <= 0) return p99 <= 0 ? 0 : random() < 0.5 ? 0 : p99;
  const deviation = Math.log(Math.max(p99, p50) / p50) / P99_DEVIATIONS;
  // Box and Muller; 1 - random() keeps the logarithm off zero.
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return p50 * Math.exp(deviation * normal);
}
