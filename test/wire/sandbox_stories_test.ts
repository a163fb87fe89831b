/** The stories of `api_stories/` on the embedded API server; the end-to-end suite `contract` tells them to a real one. */
import { machineClock } from "../../adapters/platform/clock.ts";
import type { KubeEndpoint } from "../../adapters/platform/kube/config.ts";
import { type Sandbox, startSandbox } from "../../src/sandbox/sandbox.ts";
import { callApi } from "./api_case.ts";
import { API_STORIES, namespaceOf } from "./api_stories/mod.ts";
import type { StoryServer } from "./api_stories/story.ts";

const TOKEN = "a-token-of-the-stories";

function storyServer({ api }: Sandbox): StoryServer {
  const endpoint: KubeEndpoint = { baseUrl: api.url, token: () => Promise.resolve(TOKEN), namespace: "default" };
  const server = { url: api.url, headers: { authorization: `Bearer ${TOKEN}` } };
  return {
    api: server,
    endpoint,
    forget() {
      api.faults.compact();
      api.faults.cutWatches();
      return Promise.resolve();
    },
    async refused(call) {
      const takeBack = api.faults.add({ effect: { type: "status", code: 403 } });
      try {
        return { answer: await callApi(server, call), user: "agent" };
      } finally {
        takeBack();
      }
    },
    async busy(body) {
      const takeBack = api.faults.add({ times: Infinity, effect: { type: "status", code: 429 } });
      try {
        return await body({ api: server, endpoint });
      } finally {
        takeBack();
      }
    },
  };
}

for (const story of API_STORIES) {
  Deno.test(`on the embedded server: ${story.name}`, async () => {
    const dir = await Deno.makeTempDir({ prefix: "serin-test-" });
    const sandbox = await startSandbox({ clock: machineClock, dir, token: TOKEN });
    const namespace = namespaceOf(story);
    try {
      sandbox.api.store.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
      await story.tell(storyServer(sandbox), namespace);
    } finally {
      await sandbox.stop();
      await Deno.remove(dir, { recursive: true });
    }
  });
}
