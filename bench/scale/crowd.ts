/** Work on many things, a bounded number at once: requests to a server that is to be kept busy and not to be drowned. */

/** @throws the first error, after those under way have ended */
export async function eachOf<T>(
  things: readonly T[],
  parallel: number,
  work: (thing: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  let failed = false;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < things.length && !failed; index = next++) {
      const thing = things[index];
      if (thing === undefined) return;
      await work(thing, index).catch((error) => {
        failed = true;
        throw error;
      });
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
}
