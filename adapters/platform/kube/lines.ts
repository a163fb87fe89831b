/** A byte stream as text: whole within a bound, or line by line as watches send it. */

/** Of one read from a connection. */
const CHUNK_BYTES = 64 * 1024;

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
  let text = "";
  let bytes = 0;
  for await (const chunk of chunksOf(body)) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) throw new BoundReachedError(`more than ${bytesMax} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/**
 * The lines of a stream as they arrive, without the line feed; empty ones are left out.
 *
 * @throws {Error} the stream ends inside a line: what is left of it must not be taken for an event
 * @throws {BoundReachedError} a line is longer than `charsMax`
 */
export async function* splitLines(body: ReadableStream<Uint8Array>, charsMax: number): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunksOf(body)) {
    const searched = rest.length;
    rest += decoder.decode(chunk, { stream: true });
    let from = 0;
    for (let end = rest.indexOf("\n", searched); end >= 0; end = rest.indexOf("\n", from)) {
      if (end > from) yield rest.slice(from, end);
      from = end + 1;
    }
    rest = rest.slice(from);
    if (rest.length > charsMax) throw new BoundReachedError(`a line of more than ${charsMax} characters`);
  }
  if ((rest + decoder.decode()).trim() !== "") throw new Error("the stream ended inside a line");
}

/**
 * What arrives, piece by piece. Each is good until the next one is asked for: a stream of bytes is read into one array
 * again and again, since of a long answer a new array a piece would lie about until the next large collection.
 */
async function* chunksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = readerInto(body);
  if (reader === null) return yield* body;
  let room = new Uint8Array(CHUNK_BYTES);
  try {
    for (;;) {
      const { done, value } = await reader.read(room);
      if (done || value === undefined) return;
      yield value;
      room = new Uint8Array(value.buffer);
    }
  } finally {
    // After a full read this does nothing; after an error the stream has nothing left to cancel.
    await reader.cancel().catch(() => undefined);
  }
}

/** null: not a stream of bytes, but of arrays that somebody made. */
function readerInto(body: ReadableStream<Uint8Array>): ReadableStreamBYOBReader | null {
  try {
    return body.getReader({ mode: "byob" });
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}
