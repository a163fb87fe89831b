/** Rules over several fields of one object, and how each is said: as a complaint, to JSON Schema, and in CEL. */
import type { Json, JsonObject } from "../core/kube_object.ts";
import { listed } from "./nearest.ts";
import { type FieldPath, shown } from "./path.ts";
import type { Rule } from "./schema.ts";
import type { Problem } from "./problem.ts";

/** What of an object's rules does not hold. */
export function ruleProblems(rules: readonly Rule[], value: JsonObject, path: FieldPath): readonly Problem[] {
  return rules.flatMap((rule) => {
    const found = ruleProblem(rule, value);
    return found === null ? [] : [{ path: [...path, ...found.at], reason: found.reason, fix: rule.fix }];
  });
}

function has(value: JsonObject, name: string): boolean {
  return value[name] !== undefined && value[name] !== null;
}

function ruleProblem(rule: Rule, value: JsonObject): { readonly at: FieldPath; readonly reason: string } | null {
  switch (rule.type) {
    case "one-of": {
      const whole = rule.sets.filter((set) => set.every((name) => has(value, name)));
      if (whole.length === 1) return null;
      return whole.length === 0 ? missingOf(rule.sets, value) : conflictOf(whole, value);
    }
    case "at-most-one": {
      const present = rule.fields.filter((name) => has(value, name));
      if (present.length < 2) return null;
      return {
        at: [present[1] ?? ""],
        reason: `Only one of ${listed(rule.fields)} may be given: there are ${present.length}`,
      };
    }
    case "ordered": {
      const low = value[rule.low];
      const high = value[rule.high];
      if (typeof low !== "number" || typeof high !== "number" || low <= high) return null;
      return { at: [], reason: `"${rule.low}" must not be greater than "${rule.high}": they are ${low} and ${high}` };
    }
    case "needs": {
      const conditions = Object.entries(rule.when);
      if (has(value, rule.field) || !conditions.every(([name, wanted]) => value[name] === wanted)) return null;
      const when = conditions.map(([name, wanted]) => `"${name}" is "${wanted}"`).join(" and ");
      return { at: [rule.field], reason: `Is required when ${when}, and absent` };
    }
    case "different": {
      const [first, second] = rule.fields;
      const same = has(value, first) && value[first] === value[second];
      return same ? { at: [second], reason: `Must differ from "${first}": both are ${shown(value[first])}` } : null;
    }
  }
}

/** Names what all choices want first, since that is missing whichever is chosen. */
function missingOf(
  sets: readonly (readonly string[])[],
  value: JsonObject,
): { readonly at: FieldPath; readonly reason: string } {
  const common = (sets[0] ?? []).filter((name) => sets.every((set) => set.includes(name)));
  const missing = common.filter((name) => !has(value, name));
  const [firstMissing] = missing;
  if (firstMissing !== undefined) {
    return {
      at: missing.length === 1 ? [firstMissing] : [],
      reason: `${missing.map((name) => `"${name}"`).join(" and ")} must be given`,
    };
  }
  const choices = sets.map((set) => set.filter((name) => !common.includes(name)).join(" and "));
  return { at: [], reason: `One of ${listed(choices)} must be given: there is none` };
}

function conflictOf(
  whole: readonly (readonly string[])[],
  value: JsonObject,
): { readonly at: FieldPath; readonly reason: string } {
  const own = whole.map((set) => set.filter((name) => whole.some((other) => !other.includes(name))));
  const names = [...new Set(own.flat())].filter((name) => has(value, name));
  return { at: [names[1] ?? ""], reason: `Only one of ${names.map((name) => `"${name}"`).join(" and ")} may be given` };
}

/** The part of a rule that JSON Schema can say; an empty object where it cannot. */
export function ruleJsonSchema(rules: readonly Rule[]): JsonObject {
  const parts = rules.flatMap((rule): JsonObject[] => {
    if (rule.type === "one-of") return [{ oneOf: rule.sets.map((set) => ({ required: [...set] })) }];
    if (rule.type === "at-most-one") {
      const pairs = rule.fields.flatMap((a, index) => rule.fields.slice(index + 1).map((b) => ({ required: [a, b] })));
      return [{ not: { anyOf: pairs } }];
    }
    return [];
  });
  const [only] = parts;
  if (only === undefined) return {};
  return parts.length === 1 ? only : { allOf: parts };
}

/** The part of the rules that needs CEL: comparisons of values. */
export function ruleCel(rules: readonly Rule[]): readonly Json[] {
  return rules.flatMap((rule): Json[] => {
    if (rule.type === "ordered") {
      const { low, high } = rule;
      const cel = `!has(self.${low}) || !has(self.${high}) || self.${low} <= self.${high}`;
      return [{ rule: cel, message: `${low} must not be greater than ${high}` }];
    }
    if (rule.type === "needs") {
      const conditions = Object.entries(rule.when);
      const when = conditions.map(([name, wanted]) => `has(self.${name}) && self.${name} == '${wanted}'`).join(" && ");
      const words = conditions.map(([name, wanted]) => `${name} is '${wanted}'`).join(" and ");
      return [{ rule: `!(${when}) || has(self.${rule.field})`, message: `${rule.field} is required when ${words}` }];
    }
    if (rule.type === "different") {
      const [a, b] = rule.fields;
      return [{
        rule: `!has(self.${a}) || !has(self.${b}) || self.${a} != self.${b}`,
        message: `${b} must differ from ${a}`,
      }];
    }
    return [];
  });
}
