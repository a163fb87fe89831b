/** One request under another host name than the address's, as through a gateway. */

/** Its body is read, so that nothing is left open. */
export async function ask(
  url: string,
  host: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number; readonly headers: Headers; readonly body: string }> {
  const client = Deno.createHttpClient({ allowHost: true });
  try {
    const answer = await fetch(url, { client, headers: { ...headers, host } });
    return { status: answer.status, headers: answer.headers, body: await answer.text() };
  } finally {
    client.close();
  }
}
