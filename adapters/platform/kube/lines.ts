/** A byte stream as text: whole within a bound, or line by line as watches send it. */

/** A bound was reached: the stream holds more than the reader is ready to keep. */
export class BoundReachedError extends Error {}

/**
 * The whole stream as text.
 *
 * @throws {BoundReachedError} it is longer than `bytesMax`; the rest is cancelled
 */
export async function readText(body: ReadableStream<Uint8Array> | null, bytesMax: number): Promise<string> {
  if (body === null) return "";
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let text = "";
  let bytes = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return text + decoder.decode();
      bytes += value.byteLength;
      if (bytes > bytesMax) throw new BoundReachedError(`more than ${bytesMax} bytes`);
      text += decoder.decode(value, { stream: true });
    }
  } finally {
    // After a full read this does nothing; after an error the stream has nothing left to cancel.
    await reader.cancel().catch(() => undefined);
  }
}

/**
 * The lines of a stream as they arrive, without the line feed; empty ones are left out.
 *
 * @throws {Error} the stream ends inside a line: what is left of it must not be taken for an event
 * @throws {BoundReachedError} a line is longer than `charsMax`
 */
export async function* splitLines(body: ReadableStream<Uint8Array>, charsMax: number): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const searched = rest.length;
      rest += decoder.decode(value, { stream: true });
      let from = 0;
      for (let end = rest.indexOf("\n", searched); end >= 0; end = rest.indexOf("\n", from)) {
        if (end > from) yield rest.slice(from, end);
        from = end + 1;
      }
      rest = rest.slice(from);
      if (rest.length > charsMax) throw new BoundReachedError(`a line of more than ${charsMax} characters`);
    }
    if ((rest + decoder.decode()).trim() !== "") throw new Error("the stream ended inside a line");
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
