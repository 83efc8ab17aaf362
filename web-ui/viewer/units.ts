/** What the file calls the samples of a film, and its level and width there. Nothing else converts them. */

import type { FilmData } from "./data.js";

/** Samples that are black and white, in either order. */
interface SampleWindow {
  readonly low: number;
  readonly high: number;
}

/** In values of the file. */
interface ValueWindow {
  readonly level: number;
  readonly width: number;
}

/** Steps of a slider across the values, at least; whole values where that is enough. */
const STEPS = 200;
/** Share of the width by which a key changes level and width. */
const KEY = 1 / 16;

/** Pixels of the screen in which a drag changes level or width by the width. */
const DRAG = 400;

export class Units {
  /** The least and the largest value of the film and of its first window. */
  readonly least: number;
  readonly most: number;
  /** From one place of a slider to the next: 1, or a tenth, a hundredth, … of it. */
  readonly grain: number;
  private readonly about: NonNullable<FilmData["units"]>;

  constructor({ units, bits, window }: FilmData) {
    this.about = units ?? { first: 0, step: 1, name: "", linear: false, range: [0, 2 ** bits - 1] };
    const ends = [...this.about.range, ...window].map((each) => this.value(each));
    const [least, most] = [Math.min(...ends), Math.max(...ends)];
    const places = Math.floor(Math.log10(Math.max(most - least, 1e-9) / STEPS));
    this.grain = 10 ** Math.min(places, 0);
    this.least = Math.floor(least / this.grain) * this.grain;
    this.most = Math.ceil(most / this.grain) * this.grain;
  }

  /** The narrowest width: one step in the picture. */
  get narrowest(): number {
    return this.about.linear ? 1 : this.grain;
  }

  get widest(): number {
    return this.most - this.least + this.excess;
  }

  /** By how much the width is more than from black to white. */
  private get excess(): number {
    return this.about.linear ? 1 : 0;
  }

  value(sample: number): number {
    return this.about.first + this.about.step * sample;
  }

  window({ low, high }: SampleWindow): ValueWindow {
    const [one, other] = [this.value(low), this.value(high)];
    const width = Math.abs(other - one) + this.excess;
    return { level: Math.min(one, other) + width / 2, width };
  }

  /** The samples of a window that the film can hold. */
  samples({ level, width }: ValueWindow): { low: number; high: number } {
    const held = Math.min(Math.max(width, this.narrowest), 2 * this.widest);
    const black = Math.min(Math.max(level, this.least), this.most) - held / 2;
    const ends = [black, black + held - this.excess].map((each) => (each - this.about.first) / this.about.step);
    return { low: Math.min(...ends), high: Math.max(...ends) };
  }

  /** The window after a number of key presses for its level and for its width: whole steps. */
  stepped(before: SampleWindow, level: number, width: number): { low: number; high: number } {
    const window = this.window(before);
    const step = Math.max(Math.round((KEY * window.width) / this.grain), 1) * this.grain;
    return this.samples({ level: window.level + level * step, width: window.width + width * step });
  }

  /** The window after a drag, in pixels of the screen for its level and for its width. */
  dragged(before: SampleWindow, level: number, width: number): { low: number; high: number } {
    const window = this.window(before);
    const unit = window.width / DRAG;
    return this.samples({ level: window.level + level * unit, width: window.width + width * unit });
  }

  text(value: number): string {
    const digits = 1 - Math.round(Math.log10(this.grain));
    const short = String(Number(value.toFixed(digits))).replace("-", "−");
    return short + this.suffix();
  }

  /** The samples of a pixel. */
  reading(samples: readonly number[]): string {
    return samples.map((each) => this.text(this.value(each))).join(" ");
  }

  private suffix(): string {
    const { name } = this.about;
    return name === "" || name === "%" ? name : `\u00a0${name}`;
  }
}
