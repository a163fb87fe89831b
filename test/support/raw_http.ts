/** Just enough of HTTP/1.1 on a raw socket for a scripted server: what a real one would never let a test break. */
import type { Json } from "../../src/core/kube_object.ts";

export interface RawRequest {
  readonly method: string;
  /** Path and query as sent. */
  readonly target: string;
  /** Keys in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Parsed, null when there is none. */
  readonly body: Json;
}

/** The answering side of one connection. */
export interface HttpConnection {
  answer(status: number, body: unknown, headers?: Readonly<Record<string, string>>): Promise<void>;
  startChunks(): Promise<void>;
  chunk(text: string): Promise<void>;
  /** Ends a chunked answer in order. */
  end(): Promise<void>;
  /** Half of an answer. */
  cut(): Promise<void>;
  close(): void;
}

const HEAD_BYTES_MAX = 64 * 1024;

/** The requests of a connection, one after the other, until the client closes it. */
export async function* readRequest(socket: Deno.Conn): AsyncGenerator<RawRequest> {
  const decoder = new TextDecoder("latin1");
  const buffer = new Uint8Array(16 * 1024);
  let pending = "";
  const more = async (): Promise<boolean> => {
    const count = await socket.read(buffer);
    if (count === null) return false;
    pending += decoder.decode(buffer.subarray(0, count));
    return true;
  };
  for (;;) {
    while (!pending.includes("\r\n\r\n")) {
      if (pending.length > HEAD_BYTES_MAX) throw new Error("the head of the request does not end");
      if (!await more()) return;
    }
    const headEnd = pending.indexOf("\r\n\r\n");
    const [first, ...fields] = pending.slice(0, headEnd).split("\r\n");
    const headers = Object.fromEntries(fields.map((field) => {
      const colon = field.indexOf(":");
      return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
    }));
    const bodyEnd = headEnd + 4 + Number(headers["content-length"] ?? 0);
    while (pending.length < bodyEnd) if (!await more()) return;
    const bytes = Uint8Array.from(pending.slice(headEnd + 4, bodyEnd), (char) => char.charCodeAt(0));
    pending = pending.slice(bodyEnd);
    const [method, target] = (first ?? "").split(" ");
    const body: Json = bytes.length === 0 ? null : JSON.parse(new TextDecoder().decode(bytes));
    yield { method: method ?? "", target: target ?? "", headers, body };
  }
}

/** Answers on a connection; writes wait for each other, so lines never mix. */
export function writeAnswer(socket: Deno.Conn): HttpConnection {
  const encoder = new TextEncoder();
  let tail: Promise<unknown> = Promise.resolve();
  let closed = false;
  const write = (text: string): Promise<void> => {
    const written = tail.then(async () => {
      const data = encoder.encode(text);
      for (let sent = 0; sent < data.byteLength;) sent += await socket.write(data.subarray(sent));
    });
    tail = written.catch(() => undefined);
    return written;
  };
  return {
    async answer(status, body, headers = {}) {
      const text = typeof body === "string" ? body : JSON.stringify(body);
      const fields = {
        "content-type": typeof body === "string" ? "text/html" : "application/json",
        "content-length": String(encoder.encode(text).byteLength),
        ...headers,
      };
      const head = Object.entries(fields).map(([key, value]) => `${key}: ${value}\r\n`).join("");
      await write(`HTTP/1.1 ${status} Scripted\r\n${head}\r\n${text}`);
    },
    startChunks: () => write("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"),
    chunk: (text) => write(`${encoder.encode(text).byteLength.toString(16)}\r\n${text}\r\n`),
    end: () => write("0\r\n\r\n"),
    cut: () => write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"kind":"Deplo'),
    close() {
      if (closed) return;
      closed = true;
      socket.close();
    },
  };
}
