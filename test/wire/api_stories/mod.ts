/** All stories, in the order in which they are told. */
import { CONTROLLER_STORIES } from "./controllers.ts";
import { LIST_STORIES } from "./lists.ts";
import { PRODUCT_STORIES } from "./product.ts";
import type { Story } from "./story.ts";
import { WRITE_STORIES } from "./writes.ts";

export const API_STORIES: readonly Story[] = [
  ...WRITE_STORIES,
  ...LIST_STORIES,
  ...PRODUCT_STORIES,
  ...CONTROLLER_STORIES,
];

/** Name of the namespace that a story has for itself. */
export function namespaceOf(story: Story): string {
  return `story-${API_STORIES.indexOf(story)}`;
}
