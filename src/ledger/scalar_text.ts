/**
 * How a value is written in place of an existing scalar: in the quotes that were there, unless the value needs others.
 * A plain text that any YAML reader, old or new, would take for a number, a truth value or a date is quoted.
 */
import { parseDocument, type Scalar } from "yaml";

export type ScalarValue = string | number | boolean | null;

/** Only such texts may stand without quotes; what else YAML would allow is quoted, to be on the safe side. */
const PLAIN = /^[A-Za-z0-9_./$][A-Za-z0-9_./@:+=~%$(){}^-]*(?: [A-Za-z0-9_./@+=~%$()-]+)*$/;
const PLAIN_IN_FLOW = /^[A-Za-z0-9_./$][A-Za-z0-9_./@:+=~%$()-]*$/;

/**
 * The source text of a value.
 *
 * @param style of the scalar that is replaced
 * @param inFlow within `{}` or `[]`, where some characters mean more
 */
export function scalarText(value: ScalarValue, style: Scalar["type"], inFlow: boolean): string {
  if (typeof value !== "string") return String(value);
  if (style === "QUOTE_DOUBLE") return doubleQuoted(value);
  if (style === "QUOTE_SINGLE") return isPrintable(value) ? `'${value.replaceAll("'", "''")}'` : doubleQuoted(value);
  return isPlainText(value, inFlow) ? value : doubleQuoted(value);
}

function isPlainText(value: string, inFlow: boolean): boolean {
  if (!(inFlow ? PLAIN_IN_FLOW : PLAIN).test(value) || value.endsWith(":")) return false;
  return (["1.1", "1.2"] as const).every((version) => {
    const { contents, errors } = parseDocument(value, { version, logLevel: "error" });
    return errors.length === 0 && contents !== null && contents.toJSON() === value;
  });
}

function isPrintable(value: string): boolean {
  return !/[\p{C}\u2028\u2029]/u.test(value);
}

/** JSON's form, which every YAML reader takes; what could be a line break or a mark to some reader is escaped. */
function doubleQuoted(value: string): string {
  return JSON.stringify(value).replace(
    /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
