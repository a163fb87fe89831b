/**
 * Label selectors as kubectl's `-l` takes them, evaluated here so that what the agent itself writes can be filed in the
 * caches of selected watches at once. The server does the real selecting.
 */
import { InvalidSpecError } from "../../../src/errors.ts";

/** Whether an object with these labels is selected. */
export type LabelMatcher = (labels: Readonly<Record<string, string>>) => boolean;

/**
 * Understands `a`, `!a`, `a=b`, `a==b`, `a!=b`, `a in (b,c)` and `a notin (b,c)`, separated by commas.
 *
 * @throws {InvalidSpecError} for anything else
 */
export function parseSelector(selector: string): LabelMatcher {
  const parts = selector.split(/,(?![^(]*\))/).map((part) => part.trim()).filter((part) => part !== "");
  const matchers = parts.map((part) => parseRequirement(part, selector));
  return (labels) => matchers.every((matches) => matches(labels));
}

const NAME = "[A-Za-z0-9][A-Za-z0-9._/-]*";
const SET = new RegExp(`^(${NAME})\\s+(in|notin)\\s*\\(([^)]*)\\)$`);
const EQUALITY = new RegExp(`^(${NAME})\\s*(=|==|!=)\\s*([A-Za-z0-9._-]*)$`);
const EXISTENCE = new RegExp(`^(!?)\\s*(${NAME})$`);

function parseRequirement(part: string, selector: string): LabelMatcher {
  const [, setKey, setOperator, setValues] = SET.exec(part) ?? [];
  if (setKey !== undefined && setValues !== undefined) {
    const values = setValues.split(",").map((value) => value.trim());
    return (labels) => values.includes(labels[setKey] ?? "\0") === (setOperator === "in");
  }
  const [, key, operator, value] = EQUALITY.exec(part) ?? [];
  if (key !== undefined) return (labels) => (labels[key] === value) === (operator !== "!=");
  const [, not, wanted] = EXISTENCE.exec(part) ?? [];
  if (wanted !== undefined) return (labels) => (labels[wanted] !== undefined) === (not === "");
  throw new InvalidSpecError(`Cannot read the label selector "${selector}": "${part}" is not a requirement`, {
    fix: 'Write requirements such as "app=web,tier!=db,env in (a,b)"',
  });
}
