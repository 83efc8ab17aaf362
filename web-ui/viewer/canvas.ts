/**
 * The painter for browsers without WebGL 2. Film and map are sampled on the pixels of the screen
 * when the view changes, and coloured by tables when anything else does.
 */

import { colourIndex, opacitySteps, palette } from "./colour.js";
import type { Film } from "./film.js";
import { rowBetween, samplesOfRow, taps } from "./geometry.js";
import { type Painter, type Panel, type Scene, origin } from "./painter.js";
import { type Level, levelFor, pyramid } from "./pyramid.js";

/** Steps of heat in the table of opacities. */
const STEPS = 4096;

interface Sampled {
  /** Of the film, channel after channel; 0 outside. */
  film: Float32Array[];
  inside: Uint8Array;
  filmKey: string;
  heat: Float32Array;
  heatKey: unknown[];
  image: ImageData;
}

export function canvasPainter(canvas: HTMLCanvasElement): Painter {
  return new CanvasPainter(canvas.getContext("2d", { alpha: false })!);
}

class CanvasPainter implements Painter {
  readonly kind = "canvas";
  private film: Film | null = null;
  private levels: Level[] = [];
  private sampled: Sampled[] = [];

  constructor(private readonly context: CanvasRenderingContext2D) {}

  setFilm(film: Film): void {
    this.film = film;
    this.levels = pyramid(film);
    this.sampled = [];
  }

  draw(scene: Scene): void {
    scene.panels.forEach((panel, number) => {
      const sampled = this.sampledOf(scene, panel, number);
      compose(scene, panel, sampled);
      this.context.putImageData(sampled.image, panel.left, 0);
    });
  }

  private sampledOf(scene: Scene, panel: Panel, number: number): Sampled {
    const { width, height } = panel;
    let sampled = this.sampled[number];
    if (sampled === undefined || sampled.image.width !== width || sampled.image.height !== height) {
      sampled = empty(width, height, this.film!.channels);
      this.sampled[number] = sampled;
    }
    const view = `${scene.centre} ${scene.step}`;
    if (sampled.filmKey !== view) {
      this.sampleFilm(scene, panel, sampled);
      sampled.filmKey = view;
      sampled.heatKey = [];
    }
    const { layer } = panel;
    if (layer !== null && sampled.heatKey[0] !== layer) {
      const { scale, offset } = layer.geometry;
      const [x, y] = origin(scene, panel);
      const axis = (count: number, size: number, i: 0 | 1, start: number) =>
        taps(count, size, scale[i] * scene.step, offset[i] + start * scale[i]);
      const down = axis(layer.field.rows, height, 0, y);
      const across = axis(layer.field.columns, width, 1, x);
      const between = new Float32Array(layer.field.columns);
      for (let row = 0; row < height; row++) {
        rowBetween(layer.field, down, row, between);
        samplesOfRow(between, across, sampled.heat.subarray(row * width, (row + 1) * width));
      }
      sampled.heatKey = [layer];
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
    const { channels } = film;
    const { samples } = level;
    const visible = (edge: number, size: number): boolean => edge >= 0 && edge < size;
    const columns = Array.from({ length: width }, (_, i) =>
      visible(x + (i + 0.5) * scene.step, film.width),
    );
    for (let row = 0; row < height; row++) {
      const rowVisible = visible(y + (row + 0.5) * scene.step, film.height);
      const upper = down.low[row]! * level.width;
      const lower = down.high[row]! * level.width;
      const v = down.weight[row]!;
      for (let i = 0; i < width; i++) {
        const place = row * width + i;
        sampled.inside[place] = rowVisible && columns[i] ? 1 : 0;
        const left = across.low[i]!;
        const right = across.high[i]!;
        const u = across.weight[i]!;
        for (let c = 0; c < channels; c++) {
          const above =
            samples[(upper + left) * channels + c]! * (1 - u) +
            samples[(upper + right) * channels + c]! * u;
          const below =
            samples[(lower + left) * channels + c]! * (1 - u) +
            samples[(lower + right) * channels + c]! * u;
          sampled.film[c]![place] = above * (1 - v) + below * v;
        }
      }
    }
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
    film: Array.from({ length: channels }, () => new Float32Array(count)),
    inside: new Uint8Array(count),
    filmKey: "",
    heat: new Float32Array(count),
    heatKey: [],
    image: new ImageData(width, height),
  };
}

/** The colours of a panel from its samples. */
function compose(scene: Scene, panel: Panel, sampled: Sampled): void {
  const { film, inside, heat, image } = sampled;
  const pixels = image.data;
  const { low, invert } = scene;
  const gain = 255 / Math.max(scene.high - low, 1e-6);
  const { colours, diverging } = palette(panel.palette);
  const opacities = opacitySteps(panel.palette, scene.opacity, scene.threshold, STEPS);
  const hasMap = panel.layer !== null && panel.limit > 0;
  for (let place = 0; place < inside.length; place++) {
    const out = 4 * place;
    pixels[out + 3] = 255;
    if (inside[place] === 0) {
      pixels[out] = pixels[out + 1] = pixels[out + 2] = 0;
      continue;
    }
    let colour = 0;
    let opacity = 0;
    if (hasMap) {
      const value = Math.min(Math.max(heat[place]! / panel.limit, -1), 1);
      colour = 3 * colourIndex(value, diverging);
      opacity = opacities[Math.round(Math.abs(value) * STEPS)]!;
    }
    for (let c = 0; c < 3; c++) {
      const sample = film[film.length === 1 ? 0 : c]![place]!;
      const level = Math.min(Math.max((sample - low) * gain, 0), 255);
      const shown = invert ? 255 - level : level;
      pixels[out + c] = shown + (colours[colour + c]! - shown) * opacity;
    }
  }
}
