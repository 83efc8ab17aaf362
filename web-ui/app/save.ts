/** Files that the server makes as jobs: maps as ZIP, the report of a run. */

import { element } from "../viewer/dom.js";
import { follow } from "./api.js";
import { ProgressLine, type Status } from "./parts.js";

/** Make a file, with its progress in a place, and save it; whether there is one. */
export async function saveFile(request: object, what: string, place: HTMLElement, status: Status): Promise<boolean> {
  const line = new ProgressLine(what);
  status.say("");
  try {
    const job = await follow<{ name: string }>(request, (each) => {
      line.show(each, place);
      return true;
    });
    if (job.result === null) return false; // cancelled
    element("a", { href: `/api/jobs/${job.id}/file`, download: job.result.name }).click();
    return true;
  } catch (error) {
    status.fail(error);
    return false;
  } finally {
    line.root.remove();
  }
}
