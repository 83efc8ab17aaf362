/** Files that the server makes as jobs: maps as ZIP, the report of a run. */

import { element } from "../viewer/dom.js";
import { follow } from "./api.js";
import { ProgressLine, type Status } from "./parts.js";

/** Kinds of files of each map in a ZIP file, as `camlucida explain --write` has them. */
const KINDS = [
  ["overlay", "overlay"], ["figure", "annotated figure"], ["heatmap", "map alone, with its colours"],
  ["strip", "findings side by side"], ["mask", "mask of the hot part"], ["map", "map, a number a pixel (npy)"],
] as const;
const USUAL: readonly string[] = ["overlay", "figure"];

/** What is in a ZIP file beside film, raw maps and tables. */
export class ZipChoice {
  readonly root: HTMLElement;
  private readonly boxes = KINDS.map(([kind]) => {
    const box = element("input", { type: "checkbox", value: kind, checked: USUAL.includes(kind) });
    box.addEventListener("change", () => this.keepOne(box));
    return box;
  });

  constructor() {
    const rows = KINDS.map(([, words], i) => element("label", { class: "check" }, this.boxes[i]!, ` ${words}`));
    this.root = element("details", {}, element("summary", {}, "In the ZIP file, of each map"), ...rows);
  }

  get write(): readonly string[] {
    return this.boxes.filter(({ checked }) => checked).map(({ value }) => value);
  }

  /** A file of no kind would be that of the raw maps alone, which stand in it anyway. */
  private keepOne(box: HTMLInputElement): void {
    if (this.write.length === 0) box.checked = true;
  }
}

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
