/** What colours mean: a bar with its two ends. */

import { colourIndex, palette } from "./colour.js";
import { element } from "./dom.js";
import { number } from "./words.js";

const WIDTH = 256;

export class Legend {
  readonly root = element("div", { class: "legend", "aria-hidden": "true" });
  private readonly bar = element("canvas", { width: WIDTH, height: 1 });
  private readonly low = element("span");
  private readonly high = element("span");
  private shown = "";

  constructor() {
    this.root.append(element("div", {}, this.low, this.high), this.bar);
  }

  /** Draw the bar for a limit; null hides it. */
  show(name: string, limit: number | null, threshold: number): void {
    const key = `${name} ${limit} ${threshold}`;
    if (key === this.shown) return;
    this.shown = key;
    this.root.hidden = limit === null;
    if (limit === null) return;
    this.low.textContent = palette(name).diverging ? number(-limit) : "0";
    this.high.textContent = number(limit);
    const context = this.bar.getContext("2d")!;
    const image = context.createImageData(WIDTH, 1);
    const { colours, diverging, fade } = palette(name);
    for (let i = 0; i < WIDTH; i++) {
      const heat = diverging ? (2 * i + 1) / WIDTH - 1 : (i + 0.5) / WIDTH;
      // The map alone, as in the bar of the figures; black where it is hidden.
      const share = Math.abs(heat) < threshold ? 0 : Math.abs(heat) ** fade;
      const colour = 3 * colourIndex(heat, diverging);
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = Math.round(share * colours[colour + c]!);
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
  }
}
