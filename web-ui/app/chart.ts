/** Small charts: changes beside each other on a line, scores of a pass, and over the share that is hidden. */

import { ends, number } from "../viewer/words.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 268;

function made(tag: string, attributes: Readonly<Record<string, string | number>>, text = ""): Element {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.textContent = text;
  return node;
}

function drawing(height: number, label: string): Element {
  const box = `0 0 ${WIDTH} ${height}`;
  return made("svg", { viewBox: box, width: WIDTH, height, role: "img", "aria-label": label });
}

function scale(values: readonly number[], from: number, to: number): (value: number) => number {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const span = high - low || 1;
  return (value) => from + ((value - low) / span) * (to - from);
}

/** The change of one region among those of equally large regions elsewhere. */
export function strip(change: number, elsewhere: readonly number[], label: string): Element {
  const svg = drawing(58, label);
  const values = [change, 0, ...elsewhere];
  const x = scale(values, 10, WIDTH - 10);
  svg.append(made("line", { x1: 10, x2: WIDTH - 10, y1: 26, y2: 26, class: "axis" }));
  svg.append(made("line", { x1: x(0), x2: x(0), y1: 12, y2: 40, class: "zero" }));
  for (const value of elsewhere) svg.append(made("circle", { cx: x(value), cy: 26, r: 4, class: "else" }));
  const at = x(change);
  svg.append(made("path", { d: `M${at} 18l7 8-7 8-7-8z`, class: "here" }));
  const [low, high] = [Math.min(...values), Math.max(...values)];
  svg.append(made("text", { x: 10, y: 54 }, number(low)));
  svg.append(made("text", { x: WIDTH - 10, y: 54, "text-anchor": "end" }, number(high)));
  return svg;
}

/** Scores while one cell after the other is hidden, as far as the pass has come; `before` with none. */
export function pass(before: number, scores: readonly number[], cells: number, label: string): Element {
  const height = 132;
  const svg = drawing(height, label);
  const y = scale([before, ...scores], height - 26, 10);
  const x = (number: number): number => 34 + ((number + 0.5) / cells ** 2) * (WIDTH - 44);
  for (let row = 1; row < cells; row++) {
    const edge = x(row * cells - 0.5);
    svg.append(made("line", { x1: edge, x2: edge, y1: 10, y2: height - 26, class: "row" }));
  }
  svg.append(made("path", { d: `M34 10V${height - 26}H${WIDTH - 10}`, class: "axis" }));
  svg.append(made("line", { x1: 34, x2: WIDTH - 10, y1: y(before), y2: y(before), class: "zero" }));
  const points = scores.map((score, i) => `${i === 0 ? "M" : "L"}${x(i)} ${y(score)}`);
  svg.append(made("path", { d: points.join(""), class: "hottest" }));
  const all = [before, ...scores];
  const [low, high] = ends(Math.min(...all), Math.max(...all));
  svg.append(made("text", { x: 2, y: 16 }, high));
  svg.append(made("text", { x: 2, y: height - 26 }, low));
  svg.append(made("text", { x: 34, y: height - 8 }, "top row"));
  svg.append(made("text", { x: WIDTH - 10, y: height - 8, "text-anchor": "end" }, "bottom row"));
  return svg;
}

/**
 * Scores while more and more of the film is hidden: hottest cells first, and random orders. `at`: the
 * step that is marked, if any; `end`: what is hidden at the last one.
 */
export function curve(
  shares: readonly number[],
  hottest: readonly number[],
  random: readonly (readonly number[])[],
  at: number | null,
  end: string,
  label: string,
): Element {
  const height = 150;
  const svg = drawing(height, label);
  const y = scale([...hottest, ...random.flat()], height - 26, 10);
  const x = scale(shares, 34, WIDTH - 10);
  const path = (scores: readonly number[]): string =>
    scores.map((score, i) => `${i === 0 ? "M" : "L"}${x(shares[i]!)} ${y(score)}`).join("");
  svg.append(made("path", { d: `M34 10V${height - 26}H${WIDTH - 10}`, class: "axis" }));
  for (const scores of random) svg.append(made("path", { d: path(scores), class: "random" }));
  svg.append(made("path", { d: path(hottest), class: "hottest" }));
  if (at !== null) {
    const marked = x(shares[at]!);
    svg.append(made("line", { x1: marked, x2: marked, y1: 10, y2: height - 26, class: "zero" }));
    svg.append(made("circle", { cx: marked, cy: y(hottest[at]!), r: 4, class: "here" }));
  }
  const all = [...hottest, ...random.flat()];
  const [low, high] = ends(Math.min(...all), Math.max(...all));
  svg.append(made("text", { x: 2, y: 16 }, high));
  svg.append(made("text", { x: 2, y: height - 26 }, low));
  svg.append(made("text", { x: 34, y: height - 8 }, "0"));
  svg.append(made("text", { x: WIDTH - 10, y: height - 8, "text-anchor": "end" }, end));
  return svg;
}
