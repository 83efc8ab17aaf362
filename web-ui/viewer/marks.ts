/** Lines, boxes, annotations and the reading cross, drawn over the panels in canvas 2D. */

import type { Painting } from "./brush.js";
import type { BoxData, OutlineData } from "./data.js";
import type { HeatBox } from "./boxes.js";
import type { Marks } from "./layer.js";
import type { View } from "./view.js";

type Point = readonly [number, number];

export interface MarkedPanel {
  readonly left: number;
  readonly width: number;
  readonly height: number;
  readonly title: string;
  /** Pixels of the upper right corner that buttons cover. */
  readonly covered: number;
  readonly marks: Marks | null;
  readonly boxes: readonly HeatBox[];
  readonly detection: BoxData | null;
  readonly notice: string | null;
}

export interface Annotations {
  readonly boxes: readonly BoxData[];
  readonly outlines: readonly OutlineData[];
}

const DARK = "rgba(0, 0, 0, 0.75)";
const LIGHT = "#ffffff";
const TRUTH = "#35e0ff";
const BOX = "#ffe14d";
const MARK = "#7dff9b";

export function drawMarks(
  context: CanvasRenderingContext2D,
  view: View,
  panel: MarkedPanel,
  truth: Annotations | null,
): void {
  context.save();
  context.beginPath();
  context.rect(panel.left, 0, panel.width, panel.height);
  context.clip();
  context.translate(panel.left, 0);
  if (panel.marks !== null) drawContour(context, view, panel.marks);
  for (const box of panel.boxes) drawBox(context, view, box, BOX, []);
  if (panel.detection !== null) drawDetection(context, view, panel.detection);
  if (truth !== null) drawTruth(context, view, truth);
  drawText(context, panel);
  context.restore();
}

function drawContour(context: CanvasRenderingContext2D, view: View, marks: Marks): void {
  const path = new Path2D();
  for (const [x, y, u, v] of marks.pieces) {
    path.moveTo(...view.toPanel([x, y]));
    path.lineTo(...view.toPanel([u, v]));
  }
  if (marks.peak !== null) {
    const [x, y] = view.toPanel(marks.peak);
    const arm = 7;
    path.moveTo(x - arm, y);
    path.lineTo(x + arm, y);
    path.moveTo(x, y - arm);
    path.lineTo(x, y + arm);
  }
  twoTone(context, path, LIGHT, 1.25);
}

function drawBox(
  context: CanvasRenderingContext2D,
  view: View,
  box: { x: number; y: number; width: number; height: number },
  colour: string,
  dash: number[],
): void {
  const [left, top] = view.toPanel([box.x, box.y]);
  const path = new Path2D();
  path.rect(left, top, box.width * view.zoom, box.height * view.zoom);
  context.setLineDash(dash);
  twoTone(context, path, colour, 1.5);
  context.setLineDash([]);
}

function drawDetection(context: CanvasRenderingContext2D, view: View, box: BoxData): void {
  drawBox(context, view, box, LIGHT, []);
  label(context, box.label, view.toPanel([box.x, box.y]), LIGHT);
}

function drawTruth(context: CanvasRenderingContext2D, view: View, truth: Annotations): void {
  for (const box of truth.boxes) {
    drawBox(context, view, box, TRUTH, [7, 4]);
    label(context, box.label, view.toPanel([box.x, box.y]));
  }
  for (const outline of truth.outlines) {
    const path = new Path2D();
    for (const line of outline.lines) {
      line.forEach((point, i) => {
        const [x, y] = view.toPanel(point);
        if (i === 0) path.moveTo(x, y);
        else path.lineTo(x, y);
      });
      path.closePath();
    }
    context.setLineDash([7, 4]);
    twoTone(context, path, TRUTH, 1.5);
    context.setLineDash([]);
    const first = outline.lines[0]?.[0];
    if (first !== undefined) label(context, outline.label, view.toPanel(first));
  }
}

export function drawCross(
  context: CanvasRenderingContext2D,
  view: View,
  panel: { left: number; width: number; height: number },
  at: Point,
): void {
  const [x, y] = view.toPanel(at);
  const path = new Path2D();
  path.moveTo(panel.left + x - 16, y);
  path.lineTo(panel.left + x + 16, y);
  path.moveTo(panel.left + x, y - 16);
  path.lineTo(panel.left + x, y + 16);
  twoTone(context, path, MARK, 1.5);
}

/** What is painted, in every panel. */
export function drawPainting(
  context: CanvasRenderingContext2D,
  view: View,
  panel: { left: number; width: number; height: number },
  painting: Painting,
): void {
  const [x, y] = view.toPanel([0, 0]);
  const { columns, rows, step } = painting;
  context.save();
  context.beginPath();
  context.rect(panel.left, 0, panel.width, panel.height);
  context.clip();
  context.imageSmoothingEnabled = false;
  const [width, height] = [columns * step * view.zoom, rows * step * view.zoom];
  context.drawImage(painting.picture(), panel.left + x, y, width, height);
  context.restore();
}

export function drawBrush(
  context: CanvasRenderingContext2D,
  [x, y]: Point,
  radius: number,
  erase: boolean,
): void {
  const path = new Path2D();
  path.arc(x, y, radius, 0, 2 * Math.PI);
  context.setLineDash(erase ? [4, 4] : []);
  twoTone(context, path, MARK, 1.5);
  context.setLineDash([]);
}

export function drawRegion(
  context: CanvasRenderingContext2D,
  view: View,
  left: number,
  region: { x: number; y: number; width: number; height: number },
): void {
  context.save();
  context.translate(left, 0);
  drawBox(context, view, region, MARK, []);
  context.restore();
}

function drawText(context: CanvasRenderingContext2D, panel: MarkedPanel): void {
  context.font = "13px system-ui, sans-serif";
  context.textBaseline = "top";
  const room = Math.max(panel.width - 20 - panel.covered, 120);
  const lines = panel.title ? linesOf(panel.title, room, (text) => context.measureText(text).width) : [];
  lines.forEach((line, i) => shadowed(context, line, 10, 9 + i * LINE, LIGHT, room));
  if (panel.notice !== null) {
    context.font = "600 14px system-ui, sans-serif";
    shadowed(context, panel.notice, 10, 13 + Math.max(lines.length, 1) * LINE, "#ffcc66", room);
  }
}

const LINE = 17;
const MOST_LINES = 4;

/** A text in lines that fit; what is left after the last stands for itself in the list of maps. */
export function linesOf(text: string, width: number, measure: (text: string) => number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = lines.length === 0 ? word : `${lines.at(-1)!} ${word}`;
    if (lines.length > 0 && measure(longer) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  if (lines.length <= MOST_LINES) return lines;
  return [...lines.slice(0, MOST_LINES - 1), `${lines[MOST_LINES - 1]!} …`];
}

function label(context: CanvasRenderingContext2D, text: string, [x, y]: Point, colour = TRUTH): void {
  context.font = "12px system-ui, sans-serif";
  context.textBaseline = "bottom";
  shadowed(context, text, x, Math.max(y - 3, 15), colour, 400); // above the box, or in it at the edge
}

function shadowed(
  context: CanvasRenderingContext2D,
  text: string,
  x: number,
  y: number,
  colour: string,
  widest: number,
): void {
  context.lineJoin = "round";
  context.lineWidth = 3;
  context.strokeStyle = DARK;
  context.strokeText(text, x, y, widest);
  context.fillStyle = colour;
  context.fillText(text, x, y, widest);
}

/** A line on a wider dark one, to show on black and on white. */
function twoTone(
  context: CanvasRenderingContext2D,
  path: Path2D,
  colour: string,
  width: number,
): void {
  context.lineCap = "round";
  context.strokeStyle = DARK;
  context.lineWidth = width + 2;
  context.stroke(path);
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.stroke(path);
}
