/** The film with its maps on the screen: one canvas of colours, one of lines over it. */

import type { ViewerData } from "./data.js";
import { canvasPainter } from "./canvas.js";
import { element } from "./dom.js";
import type { Film } from "./film.js";
import { Frames } from "./frames.js";
import { type Layer, WEAKEST } from "./layer.js";
import type { Painting } from "./brush.js";
import { type MarkedPanel, drawBrush, drawCross, drawMarks, drawPainting, drawRegion } from "./marks.js";
import type { Painter, Panel, Scene } from "./painter.js";
import type { Region } from "./pointer.js";
import type { Settings } from "./settings.js";
import { View } from "./view.js";
import { webglPainter } from "./webgl.js";

const GAP = 2;
/** Width of the viewer's buttons over the film. */
const BAR = 250;

/** A map, or the film alone, in a panel of the stage. */
export interface Shown {
  readonly layer: Layer | null;
  readonly title: string;
  readonly limit: number;
  readonly palette: string;
}

export class Stage {
  readonly root: HTMLDivElement;
  readonly view = new View();
  readonly painter: Painter;
  cross: [number, number] | null = null;
  region: Region | null = null;
  painting: Painting | null = null;
  /** The pointer on the stage, for the brush. */
  pointer: [number, number] | null = null;
  private colours = element("canvas");
  private readonly lines = element("canvas");
  private readonly frames: Frames;
  private readonly observer: ResizeObserver;
  private size = { width: 1, height: 1 };
  private shown: readonly Shown[] = [];
  private settings: Settings | null = null;
  private data: ViewerData | null = null;
  /** What the lines were drawn of. */
  private linesOf: readonly unknown[] = [];

  constructor(painterName: "webgl" | "canvas" | null, label: string) {
    this.root = element("div", { class: "stage", tabindex: 0, role: "img", "aria-label": label });
    this.root.append(this.colours, this.lines);
    this.painter = this.newPainter(painterName);
    this.frames = new Frames((coarseness) => this.draw(coarseness));
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.root);
    this.colours.addEventListener("webglcontextlost", (event) => event.preventDefault());
  }

  private newPainter(name: "webgl" | "canvas" | null): Painter {
    const painter = name === "canvas" ? null : webglPainter(this.colours, name === "webgl");
    if (painter !== null) return painter;
    const free = element("canvas"); // one that WebGL was tried on draws nothing else
    this.colours.replaceWith(free);
    this.colours = free;
    return canvasPainter(free);
  }

  /** Show a film; `next`: another plane of what is shown, whose zoom stays. */
  setFilm(film: Film, data: ViewerData, next = false): void {
    this.data = data;
    this.painter.setFilm(film);
    this.view.setFilm(film, next);
  }

  show(shown: readonly Shown[], settings: Settings, moving = false): void {
    this.shown = shown;
    this.settings = settings;
    this.view.setPanel(this.panelSize());
    this.root.classList.toggle("window", settings.tool === "window");
    this.root.classList.toggle("region", settings.tool === "region" || settings.tool === "brush");
    this.frames.request(moving);
  }

  request(moving = false): void {
    this.frames.request(moving);
  }

  /** The point of a panel under a point of the stage. */
  toPanel([x, y]: readonly [number, number]): { panel: number; at: [number, number] } {
    const { width } = this.panelSize();
    const panel = Math.min(Math.floor(x / (width + GAP)), Math.max(this.shown.length - 1, 0));
    return { panel, at: [x - panel * (width + GAP), y] };
  }

  private panelSize(): { width: number; height: number } {
    const count = Math.max(this.shown.length, 1);
    const width = (this.size.width - (count - 1) * GAP) / count;
    return { width: Math.max(width, 1), height: Math.max(this.size.height, 1) };
  }

  private resize(): void {
    const { clientWidth, clientHeight } = this.root;
    this.size = { width: clientWidth, height: clientHeight };
    this.view.setPanel(this.panelSize());
    this.frames.request();
  }

  private draw(coarseness: number): void {
    if (this.settings === null || this.data === null) return;
    if (this.size.width < 2 || this.size.height < 2) return;
    const density = window.devicePixelRatio / coarseness;
    this.painter.draw(this.scene(this.settings, density));
    if (this.frames.isMoving) this.painter.finish();
    this.drawLines(this.settings);
  }

  /** What is on the stage, as one picture. */
  snapshot(): HTMLCanvasElement {
    this.draw(1);
    const { width, height } = this.colours;
    const picture = element("canvas", { width, height });
    const context = picture.getContext("2d")!;
    context.drawImage(this.colours, 0, 0);
    context.drawImage(this.lines, 0, 0);
    return picture;
  }

  private scene(settings: Settings, density: number): Scene {
    const { width } = this.panelSize();
    setSize(this.colours, this.size.width * density, this.size.height * density);
    const panels = this.shown.map((shown, number): Panel => ({
      left: Math.round(number * (width + GAP) * density),
      width: Math.max(Math.round(width * density), 1),
      height: this.colours.height,
      layer: settings.shown ? shown.layer : null,
      limit: shown.limit,
      palette: shown.palette,
    }));
    return {
      panels,
      centre: [this.view.x, this.view.y],
      step: 1 / (this.view.zoom * density),
      low: settings.low,
      high: settings.high,
      invert: settings.invert,
      opacity: settings.opacity,
      threshold: settings.threshold,
    };
  }

  /** All that the lines show: opacity, threshold and grey levels are none of it. */
  private partsOfLines({ truth, contour, boxes, level, shown, tool, brush, erase }: Settings): unknown[] {
    const { view, size, cross, region, painting, pointer } = this;
    return [
      window.devicePixelRatio, size.width, size.height, view.x, view.y, view.zoom,
      this.data, truth, contour, boxes, level, shown, cross, region, painting, painting?.version,
      ...(tool === "brush" ? [brush, erase, pointer] : []),
      ...this.shown.flatMap(({ layer, title, limit }) => [layer, title, limit]),
    ];
  }

  private drawLines(settings: Settings): void {
    const parts = this.partsOfLines(settings);
    const isDrawn = parts.length === this.linesOf.length && parts.every((part, i) => part === this.linesOf[i]);
    if (isDrawn) return;
    this.linesOf = parts;
    const density = window.devicePixelRatio;
    setSize(this.lines, this.size.width * density, this.size.height * density);
    const context = this.lines.getContext("2d")!;
    context.setTransform(density, 0, 0, density, 0, 0);
    context.clearRect(0, 0, this.size.width, this.size.height);
    const { boxes, outlines, synthetic } = this.data!;
    const truth = settings.truth ? { boxes, outlines } : null;
    this.shown.forEach((shown, number) => {
      const panel = this.marked(shown, number, settings, synthetic ? "SYNTHETIC" : null);
      drawMarks(context, this.view, panel, truth);
      if (this.painting !== null) drawPainting(context, this.view, panel, this.painting);
      if (this.cross !== null) drawCross(context, this.view, panel, this.cross);
      if (this.region !== null) drawRegion(context, this.view, panel.left, this.region);
    });
    if (settings.tool === "brush") this.drawBrush(context, settings);
  }

  /** A circle of its size at the pointer, or else at the reading cross. */
  private drawBrush(context: CanvasRenderingContext2D, { brush, erase }: Settings): void {
    const at = this.pointer ?? (this.cross === null ? null : this.view.toPanel(this.cross));
    if (at !== null) drawBrush(context, at, brush / 2, erase);
  }

  private marked(
    { layer, title, limit }: Shown,
    number: number,
    settings: Settings,
    notice: string | null,
  ): MarkedPanel {
    const { width, height } = this.panelSize();
    const visible = settings.shown && layer !== null && layer.empty === null;
    const strong = visible && layer.limit >= WEAKEST * limit;
    const marks = strong && settings.contour ? layer.marksAt(settings.level) : null;
    const boxes = strong && settings.boxes ? layer.boxesAt(settings.level) : [];
    const detection = settings.shown ? (layer?.detection ?? null) : null;
    const covered = number === this.shown.length - 1 ? BAR : 0;
    return { left: number * (width + GAP), width, height, title, covered, marks, boxes, detection, notice };
  }

  dispose(): void {
    this.observer.disconnect();
    this.frames.dispose();
    this.painter.dispose();
  }
}

function setSize(canvas: HTMLCanvasElement, width: number, height: number): void {
  const [w, h] = [Math.max(Math.round(width), 1), Math.max(Math.round(height), 1)];
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
}
