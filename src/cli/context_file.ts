/** Where the agent is and with which token: a flag before the environment before the context file. */
import { parseDocument } from "yaml";
import { isJsonObject } from "../core/kube_object.ts";
import type { ParsedArgs } from "./args.ts";
import { CliFailure, type CliIo, EXIT } from "./io.ts";

export interface AgentAddress {
  /** Without a slash at its end. */
  readonly url: string;
  readonly token: string | null;
}

interface ContextFile {
  readonly address: string | null;
  readonly tokenFile: string | null;
}

const DEFAULT_ADDRESS = "http://127.0.0.1:8080";
const NO_CONTEXT: ContextFile = { address: null, tokenFile: null };

/** @throws {CliFailure} status 2, naming the file or the variable; never the token */
export async function agentAddress(args: ParsedArgs, io: CliIo): Promise<AgentAddress> {
  const context = await contextOf(args, io);
  const url = parseAddress(args.values.get("address") ?? io.env("SERIN_ADDRESS") ?? context.address ?? DEFAULT_ADDRESS);
  const flagFile = args.values.get("token-file");
  const variable = io.env("SERIN_TOKEN")?.trim() ?? "";
  if (flagFile === undefined && variable !== "") return { url, token: variable };
  const file = flagFile ?? context.tokenFile;
  return { url, token: file === null ? null : await tokenIn(file, io) };
}

async function contextOf(args: ParsedArgs, io: CliIo): Promise<ContextFile> {
  const named = args.values.get("context-file") ?? io.env("SERIN_CONTEXT");
  const home = io.env("XDG_CONFIG_HOME") ?? (io.env("HOME") === undefined ? undefined : `${io.env("HOME")}/.config`);
  const path = named ?? (home === undefined ? null : `${home}/serin/context.yaml`);
  if (path === null) return NO_CONTEXT;
  const text = await io.readTextFile(path).catch(() => null);
  if (text === null) {
    if (named === undefined) return NO_CONTEXT;
    throw new CliFailure(EXIT.usage, `Cannot read the context file "${path}"`, "Check its name and its rights.");
  }
  return parseContext(text, path, io);
}

function parseContext(text: string, path: string, io: CliIo): ContextFile {
  const wrong = (why: string) =>
    new CliFailure(
      EXIT.usage,
      `Cannot use the context file "${path}": ${why}`,
      'It may have "address" and "tokenFile".',
    );
  const document = parseDocument(text);
  if (document.errors.length > 0) throw wrong("it is not YAML");
  const value: unknown = document.toJS() ?? {};
  if (!isJsonObject(value)) throw wrong("it is no mapping");
  const unknown = Object.keys(value).find((key) => key !== "address" && key !== "tokenFile");
  if (unknown !== undefined) throw wrong(`field "${unknown}" is not known`);
  const { address = null, tokenFile = null } = value;
  if (address !== null && typeof address !== "string") throw wrong("address is no text");
  if (tokenFile !== null && typeof tokenFile !== "string") throw wrong("tokenFile is no text");
  return { address, tokenFile: tokenFile === null ? null : besides(tokenFile, path, io) };
}

/** A relative token file stands beside the context file; "~/" is the home. */
function besides(file: string, path: string, io: CliIo): string {
  if (file.startsWith("~/")) return `${io.env("HOME") ?? ""}${file.slice(1)}`;
  if (file.startsWith("/")) return file;
  const folder = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : ".";
  return `${folder}/${file}`;
}

async function tokenIn(file: string, io: CliIo): Promise<string> {
  const text = await io.readTextFile(file).catch(() => null);
  const token = text?.trim() ?? "";
  if (token !== "" && !/\s/.test(token)) return token;
  const why = text === null ? "it cannot be read" : "it does not hold one token";
  throw new CliFailure(
    EXIT.usage,
    `Cannot use the token file "${file}": ${why}`,
    "Give a file that holds the token only.",
  );
}

function parseAddress(text: string): string {
  const url = URL.parse(text);
  const isHttp = url?.protocol === "http:" || url?.protocol === "https:";
  if (url === null || !isHttp || url.username !== "" || url.search !== "") {
    throw new CliFailure(EXIT.usage, "Cannot use the address: it is no http or https URL", "Write http://HOST:PORT.");
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}
