/** A plot of one column of the cases, or of two, in which a range is chosen that filters the gallery. */

import { button, element } from "../viewer/dom.js";
import { number } from "../viewer/words.js";
import { Choice } from "./parts.js";

export interface Points {
  readonly x: readonly number[];
  readonly y: readonly number[] | null;
  /** Cases that have the values; more than are drawn where they are very many. */
  readonly total: number;
}

export interface Plotted {
  points(x: string, y: string): Promise<Points>;
  /** Another range was chosen. */
  chosen(): void;
  failed(error: unknown): void;
}

type Range = readonly [number, number];

const SIZE = { width: 268, height: 170 };
const EDGE = { left: 6, right: 6, top: 6, bottom: 6 };
const BINS = 24;
/** Pixels round a click in a scatter plot. */
const REACH = 12;

export class Plot {
  readonly root = element("div", { class: "plot" });
  private readonly x = new Choice("Across", () => this.reset());
  private readonly y = new Choice("Up", () => this.reset());
  private readonly canvas = element("canvas", { ...SIZE, tabindex: -1, role: "img" });
  private readonly ends = element("p", { class: "quiet ends" });
  private readonly sides: HTMLInputElement[];
  private data: Points | null = null;
  private ranges: { x: Range | null; y: Range | null } = { x: null, y: null };
  private start: readonly [number, number] | null = null;
  private requests = 0;

  constructor(private readonly target: Plotted) {
    const names = ["Across, from", "Across, to", "Up, from", "Up, to"];
    this.sides = names.map((name) =>
      element("input", { type: "number", step: "any", "aria-label": name, placeholder: name.split(", ")[1]! }));
    for (const side of this.sides) side.addEventListener("change", () => this.fromNumbers(side));
    const clear = button("Clear", "Clear the range of the plot", null, () => this.choose(null, null));
    const form = element("div", { class: "sides" }, ...this.sides, clear);
    this.root.append(this.x.root, this.y.root, this.canvas, this.ends, form);
    this.canvas.addEventListener("pointerdown", (event) => this.press(event));
    this.canvas.addEventListener("pointermove", (event) => this.drag(event));
    this.canvas.addEventListener("pointerup", (event) => this.release(event));
  }

  /** The columns with numbers: name and title. */
  fill(columns: readonly (readonly [string, string])[], x: string, y: string): void {
    this.x.fill(columns, x);
    this.y.fill([["", "number of cases"], ...columns], y);
    this.ranges = { x: null, y: null };
  }

  /** What the range asks of a case. */
  get conditions(): string[] {
    const of = (column: string, range: Range | null): string[] =>
      range === null || column === "" ? [] : [`${column}>=${range[0]}`, `${column}<=${range[1]}`];
    return [...of(this.x.value, this.ranges.x), ...of(this.y.value, this.ranges.y)];
  }

  /** Other cases: the plot is drawn anew, the range stays. */
  async refresh(): Promise<void> {
    if (this.x.value === "") return;
    const request = ++this.requests;
    try {
      const data = await this.target.points(this.x.value, this.y.value);
      if (request !== this.requests) return;
      this.data = data;
      this.draw();
    } catch (error) {
      if (request === this.requests) this.target.failed(error);
    }
  }

  private reset(): void {
    const filtered = this.conditions.length > 0;
    this.ranges = { x: null, y: null };
    this.showNumbers();
    void this.refresh();
    if (filtered) this.target.chosen();
  }

  private choose(x: Range | null, y: Range | null): void {
    this.ranges = { x, y };
    this.showNumbers();
    this.draw();
    this.target.chosen();
  }

  private showNumbers(): void {
    const values = [...(this.ranges.x ?? ["", ""]), ...(this.ranges.y ?? ["", ""])];
    this.sides.forEach((side, i) => {
      const value = values[i]!;
      side.value = typeof value === "number" ? String(Number(value.toPrecision(3))) : value;
    });
    for (const side of this.sides.slice(2)) side.hidden = this.y.value === "";
  }

  /** One number was typed; the others keep the value that is not rounded. */
  private fromNumbers(changed: HTMLInputElement): void {
    const { x, y } = this.spans();
    const before = [...(this.ranges.x ?? [null, null]), ...(this.ranges.y ?? [null, null])];
    const values = this.sides.map((side, i) => {
      if (side !== changed) return before[i]!;
      return Number.isNaN(side.valueAsNumber) ? null : side.valueAsNumber;
    });
    const range = (from: number | null, to: number | null, ends: Range): Range | null =>
      from === null && to === null ? null : [from ?? ends[0], to ?? ends[1]];
    this.ranges = { x: range(values[0]!, values[1]!, x), y: range(values[2]!, values[3]!, y) };
    this.draw();
    this.target.chosen();
  }

  private spans(): { x: Range; y: Range } {
    const { data } = this;
    return { x: spanOf(data?.x ?? []), y: spanOf(data?.y ?? []) };
  }

  private counts(): number[] {
    const { x } = this.spans();
    const counts = new Array<number>(BINS).fill(0);
    for (const value of this.data?.x ?? []) {
      const bin = Math.floor(((value - x[0]) / (x[1] - x[0])) * BINS);
      counts[Math.min(bin, BINS - 1)]! += 1;
    }
    return counts;
  }

  private draw(): void {
    const context = this.canvas.getContext("2d");
    if (context === null || this.data === null) return;
    context.clearRect(0, 0, SIZE.width, SIZE.height);
    const { x, y } = this.spans();
    const [left, right] = [EDGE.left, SIZE.width - EDGE.right];
    const [top, bottom] = [EDGE.top, SIZE.height - EDGE.bottom];
    const across = (value: number): number => left + ((value - x[0]) / (x[1] - x[0])) * (right - left);
    const up = (value: number): number => bottom - ((value - y[0]) / (y[1] - y[0])) * (bottom - top);
    context.fillStyle = "#7cc4ff";
    if (this.data.y === null) {
      const counts = this.counts();
      const highest = Math.max(...counts, 1);
      const width = (right - left) / BINS;
      counts.forEach((count, i) => {
        const height = (count / highest) * (bottom - top);
        context.fillRect(left + i * width, bottom - height, width - 1, height);
      });
    } else {
      context.globalAlpha = this.data.x.length > 2000 ? 0.25 : 0.6;
      const ys = this.data.y;
      this.data.x.forEach((value, i) => context.fillRect(across(value) - 1.5, up(ys[i]!) - 1.5, 3, 3));
      context.globalAlpha = 1;
    }
    context.strokeStyle = "#56616d";
    context.strokeRect(left - 0.5, top - 0.5, right - left + 1, bottom - top + 1);
    this.drawRange(context, across, up);
    this.describe(x, y);
  }

  private drawRange(
    context: CanvasRenderingContext2D,
    across: (value: number) => number,
    up: (value: number) => number,
  ): void {
    const { x, y } = this.ranges;
    if (x === null && y === null) return;
    const [x0, x1] = x === null ? [EDGE.left, SIZE.width - EDGE.right] : [across(x[0]), across(x[1])];
    const [y1, y0] = y === null ? [SIZE.height - EDGE.bottom, EDGE.top] : [up(y[0]), up(y[1])];
    context.strokeStyle = "#ffb454";
    context.fillStyle = "rgb(255 180 84 / 20%)";
    context.fillRect(x0, y0, x1 - x0, y1 - y0);
    context.strokeRect(x0, y0, x1 - x0, y1 - y0);
  }

  private describe(x: Range, y: Range): void {
    const title = (choice: Choice): string => choice.select.selectedOptions[0]?.textContent ?? "";
    const { x: values, total } = this.data!;
    const ends = (name: string, range: Range): string => `${name} ${number(range[0])} to ${number(range[1])}`;
    const some = values.length < total ? `; ${values.length} of ${total} cases are drawn` : "";
    const vertical = this.data!.y === null ? "" : `; up: ${ends(title(this.y), y)}`;
    const text = values.length === 0 ? "No case has these values." : `Across: ${ends(title(this.x), x)}${vertical}${some}.`;
    this.ends.textContent = text;
    this.canvas.setAttribute("aria-label", `Plot. ${text}`);
  }

  private at(event: PointerEvent): readonly [number, number] {
    const box = this.canvas.getBoundingClientRect();
    const scale = SIZE.width / box.width;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  }

  private press(event: PointerEvent): void {
    if (this.data === null || event.button !== 0) return;
    this.start = this.at(event);
    this.canvas.setPointerCapture(event.pointerId);
  }

  private drag(event: PointerEvent): void {
    if (this.start === null) return;
    this.ranges = this.between(this.start, this.at(event));
    this.draw();
  }

  private release(event: PointerEvent): void {
    if (this.start === null) return;
    const [from, to] = [this.start, this.at(event)];
    this.start = null;
    const click = Math.hypot(to[0] - from[0], to[1] - from[1]) < 4;
    const { x, y } = click ? this.around(to) : this.between(from, to);
    this.choose(x, y);
  }

  /** The bar of a histogram, or what is near a point of a scatter plot. */
  private around([px, py]: readonly [number, number]): { x: Range; y: Range | null } {
    if (this.data?.y !== null) return this.between([px - REACH, py - REACH], [px + REACH, py + REACH]);
    const { x } = this.spans();
    const width = (x[1] - x[0]) / BINS;
    const share = (px - EDGE.left) / (SIZE.width - EDGE.left - EDGE.right);
    const bin = Math.min(Math.max(Math.floor(share * BINS), 0), BINS - 1);
    return { x: [x[0] + bin * width, x[0] + (bin + 1) * width], y: null };
  }

  private between(a: readonly [number, number], b: readonly [number, number]): { x: Range; y: Range | null } {
    const { x, y } = this.spans();
    const value = (pixel: number, from: number, to: number, span: Range): number => {
      const share = Math.min(Math.max((pixel - from) / (to - from), 0), 1);
      return span[0] + share * (span[1] - span[0]);
    };
    const across = (pixel: number): number => value(pixel, EDGE.left, SIZE.width - EDGE.right, x);
    const up = (pixel: number): number => value(pixel, SIZE.height - EDGE.bottom, EDGE.top, y);
    const ordered = (one: number, other: number): Range => [Math.min(one, other), Math.max(one, other)];
    const vertical = this.data?.y === null ? null : ordered(up(a[1]), up(b[1]));
    return { x: ordered(across(a[0]), across(b[0])), y: vertical };
  }
}

/** Smallest and largest value; a step apart at least, so that equal values have a place. */
function spanOf(values: readonly number[]): Range {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (values.length === 0) return [0, 1];
  return low < high ? [low, high] : [low - 0.5, low + 0.5];
}
