/** A filter by a column of numbers, from and to. */

import { element } from "../viewer/dom.js";
import { number } from "../viewer/words.js";

interface Numbers {
  readonly name: string;
  readonly title: string;
  readonly meaning: string;
  readonly range?: readonly [number | null, number | null];
}

export class RangeFilter {
  readonly root: HTMLElement;
  private readonly from: HTMLInputElement;
  private readonly to: HTMLInputElement;

  constructor(private readonly column: Numbers, changed: () => void) {
    const [low, high] = column.range ?? [null, null];
    const side = (end: string, value: number | null): HTMLInputElement => {
      const placeholder = value === null ? end : `${end} ${number(value)}`;
      const input = element("input", { type: "number", step: "any", placeholder, "aria-label": `${column.title}, ${end}` });
      input.addEventListener("change", changed);
      return input;
    };
    // The least probability of a run may be 2.05e−5, which is read as nothing else than 0.
    const isNearZero = low !== null && high !== null && Math.abs(low) < high / 1000;
    this.from = side("from", isNearZero ? 0 : low);
    this.to = side("to", high);
    const ends = element("div", { class: "ends" }, this.from, this.to);
    this.root = element("div", { class: "range" }, element("span", {}, column.title), ends, element("small", {}, column.meaning));
  }

  /** What the filter asks of a case. */
  get conditions(): string[] {
    const { name } = this.column;
    const of = (input: HTMLInputElement, sign: string): string[] =>
      Number.isNaN(input.valueAsNumber) ? [] : [`${name}${sign}${input.valueAsNumber}`];
    return [...of(this.from, ">="), ...of(this.to, "<=")];
  }
}
