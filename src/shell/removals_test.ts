import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { Removals } from "./removals.ts";

const keys = (count: number): string[] => Array.from({ length: count }, (_, index) => `prod/shop-${index}`);
const HOUR_MS = 3_600_000;

const ROWS: readonly {
  readonly what: string;
  readonly known: number;
  readonly removed: number;
  readonly held: number;
}[] = [
  { what: "one of many", known: 20, removed: 1, held: 0 },
  { what: "three of many", known: 20, removed: 3, held: 0 },
  { what: "four of forty, which are a tenth", known: 40, removed: 4, held: 0 },
  { what: "four of twenty, over a tenth", known: 20, removed: 4, held: 4 },
  { what: "a hundred of a hundred and one", known: 101, removed: 100, held: 100 },
  { what: "all of a source", known: 2, removed: 2, held: 2 },
  { what: "nothing", known: 5, removed: 0, held: 0 },
];

for (const { what, known, removed, held } of ROWS) {
  Deno.test(`Removals hold ${held} when ${what} went at once`, () => {
    const all = keys(known);
    strictEqual(new Removals().held({ known: all, removed: all.slice(0, removed), now: 0 }).size, held);
  });
}

Deno.test("Removals count over an hour: the fourth of twenty is held, and after the hour no more", () => {
  const all = keys(20);
  const slowly = new Removals();
  for (const count of [1, 2, 3]) {
    strictEqual(slowly.held({ known: all, removed: all.slice(0, count), now: count }).size, 0);
  }
  strictEqual(slowly.held({ known: all, removed: all.slice(0, 4), now: 4 }).size, 4);
});

Deno.test("Removals that were confirmed are not held, but are when they come back and go again", () => {
  const all = keys(10);
  const gone = all.slice(0, 5);
  const removals = new Removals();
  deepStrictEqual([...removals.held({ known: all, removed: gone, now: 0 })], gone);
  strictEqual(removals.confirm(), 5);
  strictEqual(removals.held({ known: all, removed: gone, now: 1 }).size, 0);
  strictEqual(removals.held({ known: all, removed: [], now: 2 }).size, 0);
  deepStrictEqual([...removals.held({ known: all, removed: gone, now: 3 })], gone);
  strictEqual(removals.confirm(), 5);
  strictEqual(removals.confirm(), 0);
});

Deno.test("Removals forget after an hour what went before", () => {
  const all = keys(20);
  const removals = new Removals();
  removals.held({ known: all, removed: all.slice(0, 3), now: 0 });
  const left = all.slice(3);
  strictEqual(removals.held({ known: left, removed: left.slice(0, 1), now: HOUR_MS + 1 }).size, 0);
});
