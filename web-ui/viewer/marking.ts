/** What a person marks on the film: a box, or a painted region of any shape. */

import { Painting } from "./brush.js";
import type { Film } from "./film.js";
import type { Region } from "./pointer.js";
import type { Settings } from "./settings.js";
import type { Stage } from "./stage.js";

type Point = readonly [number, number];

export interface MarkingOptions {
  /** Called with a box in pixels of the film that was drawn on it; there is no such tool without. */
  readonly onRegion?: (region: Region, done: boolean) => void;
  /** Called when the brush is lifted; there is no brush without. */
  readonly onPaint?: (painting: Painting) => void;
}

export class Marking {
  /** Whether what is marked stays as it is. */
  locked = false;
  private film: Film | null = null;
  private id = "";

  constructor(
    private readonly stage: Stage,
    private readonly options: MarkingOptions,
  ) {}

  /** Another film has no mark yet; the same film with other maps keeps what is painted. */
  setFilm(film: Film, id: string): void {
    this.film = film;
    this.stage.region = null;
    if (id !== this.id) this.stage.painting = null;
    this.id = id;
  }

  /** A box between two points of the stage. */
  box(from: Point, to: Point, done: boolean): void {
    if (this.locked) return;
    const [a, b] = [this.toFilm(from), this.toFilm(to)];
    const [left, right] = inside(a[0], b[0], this.film!.width);
    const [top, bottom] = inside(a[1], b[1], this.film!.height);
    const region = { x: left, y: top, width: right - left, height: bottom - top };
    this.showBox(region);
    if (right > left && bottom > top) this.options.onRegion?.(region, done);
  }

  showBox(region: Region | null): void {
    this.stage.region = region;
    this.stage.painting = null;
    this.stage.request(true);
  }

  /** Show what was painted before, as `Painting.runs` gave it. */
  showPainting(runs: string): void {
    const painting = new Painting(this.film!);
    painting.paintRuns(runs);
    this.stage.region = null;
    this.stage.painting = painting;
    this.stage.request(true);
  }

  /** Paint between two points of the stage, or erase. */
  paint(from: Point, to: Point, settings: Settings): void {
    this.stroke(this.toFilm(from), this.toFilm(to), settings);
  }

  /** Paint where the reading cross is, or erase. */
  paintAtCross(settings: Settings): void {
    const { cross } = this.stage;
    if (cross === null) return;
    this.stroke(cross, cross, settings);
    this.lift();
  }

  private stroke(from: Point, to: Point, { brush, erase }: Settings): void {
    if (this.locked) return;
    const { stage } = this;
    stage.region = null;
    stage.painting ??= new Painting(this.film!);
    stage.painting.stroke(from, to, brush / 2 / stage.view.zoom, erase);
    stage.request(true);
  }

  /** The brush leaves the film. */
  lift(): void {
    if (!this.locked && this.stage.painting !== null) this.options.onPaint?.(this.stage.painting);
  }

  private toFilm(point: Point): [number, number] {
    return this.stage.view.toFilm(this.stage.toPanel(point).at);
  }
}

/** Two edges in order, whole, and within the film. */
function inside(a: number, b: number, size: number): [number, number] {
  const held = [a, b].map((edge) => Math.min(Math.max(Math.round(edge), 0), size));
  return [Math.min(...held), Math.max(...held)];
}
