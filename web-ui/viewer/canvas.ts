/**
 * The painter for browsers without a graphics card. Film and map are sampled on the pixels of the
 * screen when the view changes; anything else changes tables, from which the colours are taken.
 */

import { opacityOf, opacityTable, palette } from "./colour.js";
import type { Film } from "./film.js";
import { type Taps, rowBetween, samplesOfRow, taps } from "./geometry.js";
import type { Layer } from "./layer.js";
import { type Painter, type Panel, type Scene, origin } from "./painter.js";
import { type Level, levelFor, pyramid } from "./pyramid.js";

/** Steps of heat in a colour of the 256: fine enough for the opacity. */
const FINE = 4;
const HEATS = 256 * FINE;
/** Steps between two samples of 8 bits: an interpolated film has more of them. */
const PARTS = 256;
const BLACK = 0xff000000;
/** What the rows are of where there is no map. */
const BARE = "bare";

/** A panel's film and map on the pixels of the screen. */
interface Sampled {
  /** Of the film, channel after channel, in 16 bits. */
  readonly film: readonly Uint16Array[];
  /** 1 where the film is. */
  readonly inside: Uint8Array;
  readonly heat: Float32Array;
  /** The heat as a row of the table of colours. */
  readonly rows: Uint16Array;
  readonly image: ImageData;
  filmOf: string;
  heatOf: Layer | null;
  rowsOf: string;
}

/** A table that is kept until what it was made of changes. */
class Kept<T> {
  private key = "";
  private value: T | null = null;

  get(key: string, make: () => T): T {
    if (key !== this.key || this.value === null) [this.key, this.value] = [key, make()];
    return this.value;
  }
}

export function canvasPainter(canvas: HTMLCanvasElement): Painter {
  return new CanvasPainter(canvas.getContext("2d", { alpha: false })!);
}

class CanvasPainter implements Painter {
  readonly kind = "canvas";
  private film: Film | null = null;
  private levels: Level[] = [];
  private sampled: Sampled[] = [];
  private readonly greys = new Kept<Uint8Array>();
  private readonly colours = new Kept<Uint32Array>();
  private readonly bare = greysAlone();

  constructor(private readonly context: CanvasRenderingContext2D) {}

  setFilm(film: Film): void {
    this.sampled = [];
    if (film === this.film) return; // other maps of the same film
    this.film = film;
    this.levels = pyramid(film);
  }

  draw(scene: Scene): void {
    scene.panels.forEach((panel, number) => {
      const sampled = this.sampledOf(scene, panel, number);
      this.compose(scene, panel, sampled);
      this.context.putImageData(sampled.image, panel.left, 0);
    });
  }

  private sampledOf(scene: Scene, panel: Panel, number: number): Sampled {
    const { width, height, layer } = panel;
    let sampled = this.sampled[number];
    if (sampled === undefined || sampled.image.width !== width || sampled.image.height !== height) {
      sampled = empty(width, height, this.film!.channels);
      this.sampled[number] = sampled;
    }
    const view = `${scene.centre} ${scene.step}`;
    if (sampled.filmOf !== view) {
      this.sampleFilm(scene, panel, sampled);
      sampled.filmOf = view;
      sampled.heatOf = null;
    }
    if (layer !== null && sampled.heatOf !== layer) {
      sampleHeat(scene, panel, layer, sampled.heat);
      sampled.heatOf = layer;
      sampled.rowsOf = "";
    }
    return sampled;
  }

  private sampleFilm(scene: Scene, panel: Panel, sampled: Sampled): void {
    const film = this.film!;
    const number = levelFor(scene.step, this.levels.length);
    const level = this.levels[number]!;
    const [x, y] = origin(scene, panel);
    const factor = 2 ** number;
    const { width, height } = panel;
    const across = taps(level.width, width, scene.step / factor, x / factor);
    const down = taps(level.height, height, scene.step / factor, y / factor);
    const [left, right] = within(x, scene.step, width, film.width);
    const [top, bottom] = within(y, scene.step, height, film.height);
    sampled.inside.fill(0);
    for (let row = top; row < bottom; row++) {
      const start = row * width;
      sampled.inside.fill(1, start + left, start + right);
      sampled.film.forEach((into, channel) => {
        sampleRow(level, film.channels, channel, down, row, across, into.subarray(start, start + width), left, right);
      });
    }
  }

  /** The colours of a panel from its samples. */
  private compose(scene: Scene, panel: Panel, sampled: Sampled): void {
    const { film, inside, rows } = sampled;
    const greys = this.greysOf(scene);
    const pixels = new Uint32Array(sampled.image.data.buffer);
    const hasMap = panel.layer !== null && panel.limit > 0;
    const colours = hasMap ? this.coloursOf(scene, panel) : this.bare;
    if (hasMap) setRows(panel, sampled);
    else clearRows(sampled);
    const [red, green, blue] = film;
    if (green === undefined || blue === undefined) {
      for (let i = 0; i < pixels.length; i++) {
        pixels[i] = inside[i] === 0 ? BLACK : colours[(rows[i]! << 8) | greys[red![i]!]!]!;
      }
      return;
    }
    for (let i = 0; i < pixels.length; i++) {
      const row = rows[i]! << 8;
      const mixed =
        (colours[row | greys[red![i]!]!]! & 0xff) |
        (colours[row | greys[green[i]!]!]! & 0xff00) |
        (colours[row | greys[blue[i]!]!]! & 0xff0000);
      pixels[i] = inside[i] === 0 ? BLACK : mixed | BLACK;
    }
  }

  /** What is shown of each sample of the film, of 8 bits. */
  private greysOf({ low, high, invert }: Scene): Uint8Array {
    const { bits } = this.film!;
    const unit = bits === 8 ? PARTS : 1;
    return this.greys.get(`${bits} ${low} ${high} ${invert}`, () => windowed(unit, low, high, invert));
  }

  /** The colour of each heat over each grey. */
  private coloursOf({ opacity, threshold }: Scene, panel: Panel): Uint32Array {
    const key = `${panel.palette} ${opacity} ${threshold}`;
    return this.colours.get(key, () => mixed(panel.palette, opacity, threshold));
  }

  finish(): void {
    // Canvas 2D draws at once.
  }

  dispose(): void {
    this.sampled = [];
  }
}

function empty(width: number, height: number, channels: number): Sampled {
  const count = width * height;
  return {
    film: Array.from({ length: channels }, () => new Uint16Array(count)),
    inside: new Uint8Array(count),
    heat: new Float32Array(count),
    rows: new Uint16Array(count),
    image: new ImageData(width, height),
    filmOf: "",
    heatOf: null,
    rowsOf: "",
  };
}

/** First pixel of an axis that is on the film, and the one after the last. */
function within(start: number, step: number, size: number, film: number): [number, number] {
  const first = Math.min(Math.max(Math.ceil(-start / step - 0.5), 0), size);
  const last = Math.min(Math.max(Math.ceil((film - start) / step - 0.5), first), size);
  return [first, last];
}

/** A row of the film between two, in one channel; of 8 bits in parts of a sample. */
function sampleRow(
  { width, samples }: Level,
  channels: number,
  channel: number,
  down: Taps,
  row: number,
  across: Taps,
  into: Uint16Array,
  left: number,
  right: number,
): void {
  const upper = down.low[row]! * width * channels + channel;
  const lower = down.high[row]! * width * channels + channel;
  const v = down.weight[row]!;
  const unit = samples instanceof Uint8Array ? PARTS : 1;
  const [above, below] = [unit * (1 - v), unit * v];
  const { low, high, weight } = across;
  for (let i = left; i < right; i++) {
    const a = low[i]! * channels;
    const b = high[i]! * channels;
    const first = samples[upper + a]! * above + samples[lower + a]! * below;
    const second = samples[upper + b]! * above + samples[lower + b]! * below;
    into[i] = first + (second - first) * weight[i]! + 0.5;
  }
}

function sampleHeat(scene: Scene, panel: Panel, { field, geometry }: Layer, heat: Float32Array): void {
  const { width, height } = panel;
  const { scale, offset } = geometry;
  const [x, y] = origin(scene, panel);
  const axis = (count: number, size: number, i: 0 | 1, start: number): Taps =>
    taps(count, size, scale[i] * scene.step, offset[i] + start * scale[i]);
  const down = axis(field.rows, height, 0, y);
  const across = axis(field.columns, width, 1, x);
  const between = new Float32Array(field.columns);
  for (let row = 0; row < height; row++) {
    rowBetween(field, down, row, between);
    samplesOfRow(between, across, heat.subarray(row * width, (row + 1) * width));
  }
}

/** Rows of the table of colours, where the scale or the kind of colours is another. */
function setRows({ limit, palette: name }: Panel, sampled: Sampled): void {
  const { diverging } = palette(name);
  const key = `${limit} ${diverging}`;
  if (key === sampled.rowsOf) return;
  sampled.rowsOf = key;
  const { heat, rows } = sampled;
  const gain = (diverging ? HEATS / 2 : HEATS) / limit;
  const zero = diverging ? HEATS / 2 : 0;
  for (let i = 0; i < rows.length; i++) {
    rows[i] = Math.min(Math.max(heat[i]! * gain + zero, 0), HEATS - 1);
  }
}

/** Greys of all samples in a window; `unit` steps are one sample. */
function windowed(unit: number, low: number, high: number, invert: boolean): Uint8Array {
  const table = new Uint8Array(2 ** 16);
  const gain = 255 / Math.max(high - low, 1e-6);
  for (let sample = 0; sample < table.length; sample++) {
    const level = Math.min(Math.max((sample / unit - low) * gain, 0), 255);
    table[sample] = Math.round(invert ? 255 - level : level);
  }
  return table;
}

/** The one row of the table of a film without a map. */
function clearRows(sampled: Sampled): void {
  if (sampled.rowsOf === BARE) return;
  sampled.rows.fill(0);
  sampled.rowsOf = BARE;
}

/** Colours of four bytes: a heat in each row, a grey in each column. */
function mixed(name: string, alpha: number, threshold: number): Uint32Array {
  const { colours, diverging } = palette(name);
  const opacities = opacityTable(name, alpha);
  const table = new Uint32Array(HEATS * 256);
  for (let row = 0; row < HEATS; row++) {
    const share = (row + 0.5) / HEATS;
    const magnitude = diverging ? Math.abs(2 * share - 1) : share;
    const opacity = magnitude < threshold ? 0 : opacityOf(opacities, magnitude);
    const colour = 3 * Math.floor(row / FINE);
    const film = 1 - opacity;
    const red = colours[colour]! * opacity + 0.5;
    const green = colours[colour + 1]! * opacity + 0.5;
    const blue = colours[colour + 2]! * opacity + 0.5;
    for (let grey = 0; grey < 256; grey++) {
      const base = grey * film;
      table[256 * row + grey] = BLACK | ((base + blue) << 16) | ((base + green) << 8) | (base + red);
    }
  }
  return table;
}

/** The table of a film without a map: one row. */
function greysAlone(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, grey) => BLACK | (grey << 16) | (grey << 8) | grey);
}
