/** What a painter is told to draw, the same for WebGL and for canvas 2D. */

import type { Film } from "./film.js";
import type { Layer } from "./layer.js";

/** A part of the canvas with the film and at most one map, in pixels of the canvas. */
export interface Panel {
  readonly left: number;
  readonly width: number;
  readonly height: number;
  readonly layer: Layer | null;
  /** The value of full colour. */
  readonly limit: number;
  readonly palette: string;
}

export interface Scene {
  readonly panels: readonly Panel[];
  /** Film coordinates of the middle of each panel. */
  readonly centre: readonly [number, number];
  /** Pixels of the film for one of the canvas. */
  readonly step: number;
  readonly low: number;
  readonly high: number;
  readonly invert: boolean;
  readonly opacity: number;
  readonly threshold: number;
}

export interface Painter {
  readonly kind: "webgl" | "canvas";
  setFilm(film: Film): void;
  draw(scene: Scene): void;
  /** Wait until it is drawn, to know how long that takes. */
  finish(): void;
  dispose(): void;
}

/** Film coordinates of the upper left corner of a panel. */
export function origin(scene: Scene, panel: Panel): [number, number] {
  const [x, y] = scene.centre;
  return [x - (panel.width / 2) * scene.step, y - (panel.height / 2) * scene.step];
}
