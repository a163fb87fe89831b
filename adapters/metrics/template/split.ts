/** Cuts a template into text and actions, comments left out and whitespace trimmed where an action's hyphen says so. */
import { failAt, type Place } from "./place.ts";

export type Part =
  | { readonly type: "text"; readonly text: string }
  /** What stands between the brackets; offsets into the whole template. */
  | { readonly type: "action"; readonly from: number; readonly to: number };

/** Text constants may hold the closing brackets. */
const ACTION_END = /(?:"(?:[^"\\\n]|\\.)*"|`[^`]*`|(?!\}\})[^"`])*\}\}/y;
const COMMENT = /\{\{(-\s)?\s*\/\*[\s\S]*?\*\/\s*?(\s-)?\}\}/y;

/** @throws {InvalidSpecError} an action is not closed */
export function splitTemplate(place: Place): readonly Part[] {
  const { text } = place;
  const parts: Part[] = [];
  let done = 0;
  let trimsLeft = false;
  const pushText = (to: number, trimsRight: boolean) => {
    let piece = text.slice(done, to);
    if (trimsLeft) piece = piece.trimStart();
    if (trimsRight) piece = piece.trimEnd();
    if (piece !== "") parts.push({ type: "text", text: piece });
  };
  for (let start = text.indexOf("{{"); start !== -1; start = text.indexOf("{{", done)) {
    COMMENT.lastIndex = start;
    const comment = COMMENT.exec(text);
    ACTION_END.lastIndex = start + 2;
    const action = comment === null ? ACTION_END.exec(text) : null;
    const end = comment === null ? ACTION_END.lastIndex : COMMENT.lastIndex;
    if (comment === null && action === null) {
      throw failAt(place, start, 'an action opened with "{{" is not closed', 'Close it with "}}".');
    }
    const inside = text.slice(start + 2, end - 2);
    const opens = /^-\s/.test(inside);
    const closes = /\s-$/.test(inside);
    pushText(start, opens);
    if (comment === null) {
      parts.push({ type: "action", from: start + 2 + (opens ? 1 : 0), to: end - 2 - (closes ? 1 : 0) });
    }
    done = end;
    trimsLeft = closes;
  }
  pushText(text.length, false);
  return parts;
}
