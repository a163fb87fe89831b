/** Complaints on a terminal or as JSON, and the status they end a command with. */
import type { Complaint } from "../core/catalogue.ts";
import { EXIT } from "./io.ts";
import { type Paint, printable } from "./paint.ts";

/** `apps/shop.yaml:12: error: spec.analysis.threshold: Must be …`, and what to do on a line of its own. */
export function complaintText(complaint: Complaint, paint: Paint): string {
  const { file, line, field, message, fix, severity } = complaint;
  const where = printable(line === 0 ? file : `${file}:${line}`);
  const level = paint(severity === "error" ? "red" : "yellow", severity);
  const what = printable(field === "" ? message : `${field}: ${message}`);
  return `${where}: ${level}: ${what}\n${fix === "" ? "" : `    fix: ${printable(fix)}\n`}`;
}

/** "2 errors, 1 warning". */
export function countText(complaints: readonly Complaint[]): string {
  const errors = complaints.filter(({ severity }) => severity === "error").length;
  const warnings = complaints.length - errors;
  const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? "" : "s"}`;
  return `${counted(errors, "error")}, ${counted(warnings, "warning")}`;
}

export function statusOf(complaints: readonly Complaint[]): number {
  return complaints.some(({ severity }) => severity === "error") ? EXIT.refused : EXIT.ok;
}
