/** The text format, line by line. */
import { deepEqual, throws } from "node:assert/strict";
import { parseExposition } from "./exposition.ts";

Deno.test("parseExposition reads names, escaped labels, special values and timestamps", () => {
  const page = '# HELP a x\n\na{x="a,b}",y="q\\"\\\\\\n",} +Inf\r\nb_total 1.5e3 1700000000000\n c:d{} NaN\n';
  deepEqual(parseExposition(page), [
    { name: "a", labels: { x: "a,b}", y: 'q"\\\n' }, value: Infinity },
    { name: "b_total", labels: {}, value: 1500, atMs: 1_700_000_000_000 },
    { name: "c:d", labels: {}, value: NaN },
  ]);
});

Deno.test("parseExposition fails a whole page for one bad line", () => {
  for (const line of ["<html>", "a", "a b", "a{x=1} 2", 'a{x="1} 2', 'a{x="1"y="2"} 3', "1a 2"]) {
    throws(() => parseExposition(`good 1\n${line}\n`), /Cannot parse line 2/, line);
  }
});
