/** The brush: its button, and below it size, eraser and a clean sheet while it is in hand. */

import { button, element } from "../viewer/dom.js";
import { BRUSHES, type Settings } from "../viewer/settings.js";
import { field } from "./parts.js";

export interface BrushTarget {
  toggle(): void;
  change(settings: Partial<Settings>): void;
  clear(): void;
}

export class BrushTools {
  readonly button: HTMLButtonElement;
  readonly root: HTMLElement;
  private readonly size = element("input", { type: "range", min: BRUSHES.least, max: BRUSHES.most, step: 1 });
  private readonly eraser: HTMLButtonElement;
  private erase = false;

  constructor(target: BrushTarget) {
    this.button = button("Brush", "Paint a region of any shape on the film (w)", false, () => target.toggle());
    this.size.addEventListener("input", () => target.change({ brush: this.size.valueAsNumber }));
    this.eraser = button("Erase", "Erase instead of paint (e)", false, () => target.change({ erase: !this.erase }));
    const clear = button("Clear", "Clear what is painted", null, () => target.clear());
    this.root = element(
      "div",
      { class: "brush" },
      field("Size", this.size),
      element("div", { class: "buttons" }, this.eraser, clear),
      element("p", { class: "quiet" }, "By keys: x shows a cross, the arrows move it, a paints there."),
    );
    this.root.hidden = true;
  }

  show({ tool, brush, erase }: Settings): void {
    this.erase = erase;
    this.root.hidden = tool !== "brush";
    this.button.setAttribute("aria-pressed", String(tool === "brush"));
    this.size.value = String(brush);
    this.size.setAttribute("aria-valuetext", `${brush} pixels of the screen`);
    this.eraser.setAttribute("aria-pressed", String(erase));
  }
}
