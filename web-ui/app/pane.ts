/** One film with its map among the panes of Compare. */

import { element } from "../viewer/dom.js";
import { valueAt } from "../viewer/geometry.js";
import type { Layer } from "../viewer/layer.js";
import type { Settings } from "../viewer/settings.js";
import { Stage } from "../viewer/stage.js";
import { number } from "../viewer/words.js";
import type { Point } from "./affine.js";
import type { Frame } from "./frame.js";

/** What one pane shows. */
export interface PaneContent {
  readonly title: string;
  readonly layer: Layer | null;
  /** Why there is no map; else "". */
  readonly problem: string;
  /** Whether it is made of other panes, in another unit. */
  readonly combined: boolean;
  readonly frame: Frame;
}

export class Pane {
  readonly stage: Stage;
  readonly root: HTMLElement;
  frame: Frame | null = null;
  private readonly title = element("span");
  private readonly about = element("small");
  private content: PaneContent | null = null;

  constructor(name: string) {
    this.stage = new Stage(null, name);
    const view = element("div", { class: "view" }, this.stage.root);
    const caption = element("figcaption", {}, this.title, this.about);
    this.root = element("figure", { class: "pane" }, caption, view);
  }

  /** Whether another film is shown from now on, whose view begins anew. */
  setFrame(frame: Frame): boolean {
    if (frame === this.frame) return false;
    this.frame = frame;
    this.stage.setFilm(frame.film, frame.data);
    return true;
  }

  show(content: PaneContent, settings: Settings, limit: number, moving: boolean): void {
    this.content = content;
    const { layer, title } = content;
    const palette = layer?.signed ? settings.diverging : settings.sequential;
    this.title.textContent = title;
    this.stage.root.setAttribute("aria-label", title);
    this.read(this.stage.cross, limit);
    // A line is drawn round positive values: of a difference it would leave out what became less.
    const contour = settings.contour && !(content.combined && layer?.signed);
    this.stage.show([{ layer, title: "", limit, palette }], { ...settings, contour }, moving);
  }

  /** The value at a point of the film, with the point's pixel, beside what full colour is. */
  read(at: Point | null, limit: number): void {
    const { layer, problem } = this.content!;
    if (layer === null || layer.empty !== null) {
      this.about.textContent = problem || (layer?.empty ?? "");
      return;
    }
    const pixel = at?.map(Math.floor).join(", ");
    const value = at === null ? "" : `${number(valueAt(layer.field, layer.geometry, ...at))} here (${pixel}) · `;
    this.about.textContent = `${value}full colour ${number(limit)}`;
  }
}
