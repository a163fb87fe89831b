/** Texts in the ledger's files come back as they went in, whatever white space they are made of. */
import { deepStrictEqual } from "node:assert/strict";
import fc from "fast-check";
import { parse } from "yaml";
import { fuzz } from "../../test/support/fuzz.ts";
import { ledgerText, parseLedgerText } from "./file_text.ts";

const blank = fc.string({ unit: fc.constantFrom(" ", "\n", "\t", "a", "#", ":", "-", "\r"), maxLength: 12 });

fuzz(
  "ledgerText() and parseLedgerText() give back any text",
  fc.property(fc.array(fc.oneof(blank, fc.string()), { maxLength: 6 }), (texts) => {
    const text = ledgerText("Status", { namespace: "prod", name: "shop" }, { about: ["a test"], body: { texts } });
    const ours = parseLedgerText("Status", text);
    deepStrictEqual(ours.type === "read" ? ours.object["texts"] : ours, texts);
    deepStrictEqual((parse(text) as { readonly texts: unknown }).texts, texts);
  }),
);
