/** Ask the model: hide a part of the film by hand, and see what its score does. */

import type { MapData } from "../viewer/data.js";
import { button, element } from "../viewer/dom.js";
import type { Painting } from "../viewer/brush.js";
import type { Region } from "../viewer/pointer.js";
import type { Settings, Tool } from "../viewer/settings.js";
import { number, percent } from "../viewer/words.js";
import {
  type Curve, type Job, type Occlusion, type RegionChange, follow, post,
} from "./api.js";
import { curve, pass, strip } from "./chart.js";
import { BrushTools } from "./brush_tools.js";
import { Choice, ProgressLine, scoreText, section, signed, type Status } from "./parts.js";

/** Cells of a side of the grid that is slid over the film. */
const CELLS = 8;
const PLACES = 25;
const COVERS = [["blur", "blur"], ["mean", "mean grey"], ["inpaint", "its border"]] as const;
/** Milliseconds without another stroke or box before the random places are compared. */
const PAUSE = 300;

/** What is tested: a film, a model and a target, with the map that is shown. */
export interface Question {
  readonly film: string;
  readonly model: string;
  readonly target: string;
  readonly method: string;
  readonly layer: string;
}

/** A grid of cells that are hidden one after the other. */
interface PassRequest {
  readonly model: string;
  readonly target: string;
  readonly cover: string;
  readonly cells: number;
}

export interface Asked {
  question(): Question | null;
  /** Change settings of the viewer. */
  change(settings: Partial<Settings>): void;
  /** Show a box; null shows neither a box nor what was painted. */
  region(box: Region | null): void;
  /** A map of the current film to show, made of another's geometry. */
  addMap(make: (like: MapData) => MapData): void;
}

export class Ask {
  readonly root: HTMLElement;
  /** What a volume does not have. */
  private readonly ofFilms: HTMLElement[];
  private readonly volumes = element("p", { class: "quiet" }, "Boxes, the brush and sliding are for films.");
  private readonly result = element("div", { class: "result", "aria-live": "polite" });
  private readonly drawButton: HTMLButtonElement;
  private readonly action = new Choice("Region", () => void this.test());
  private readonly cover = new Choice("Filled with", () => void this.test());
  private readonly cells = element("input", { type: "number", min: 1, step: 1, value: 5, "aria-label": "How many of the hottest cells" });
  private readonly sides: HTMLInputElement[];
  private readonly brush: BrushTools;
  /** What is tested, as the server takes it. */
  private region: { readonly box: Region } | { readonly mask: string } | null = null;
  private tests = 0;
  /** Whether the result is of the map that is shown, or will be. */
  private isOfMap = false;
  private tool: Tool = "pan";

  constructor(private readonly target: Asked, private readonly status: Status) {
    this.drawButton = button("Draw a box", "Draw a box on the film (w)", false, () => this.toggle("region"));
    this.brush = new BrushTools({
      toggle: () => this.toggle("brush"),
      change: (settings) => this.target.change(settings),
      clear: () => this.clear(true),
    });
    this.action.fill([["hide", "hidden"], ["keep", "kept alone"]]);
    this.cover.fill(COVERS);
    this.sides = ["x", "y", "width", "height"].map((name) => this.side(name));
    const apply = button("Test", "Test the box of these numbers", null, () => this.fromNumbers());
    const form = element("div", { class: "sides" }, ...this.sides, apply);
    const slide = button("Slide over the film", "Hide one cell after the other", null, () => void this.slide());
    const hottest = button("Hide hottest", "Hide the hottest cells of the map: so many, and more and more", null, () => void this.hideHottest());
    const hiding = element("div", { class: "hiding" }, hottest, this.cells, "cells");
    const numbers = element("details", {}, element("summary", {}, "Box by numbers"), form);
    this.ofFilms = [this.drawButton, this.brush.button, slide, this.action.root, numbers];
    this.volumes.hidden = true;
    this.root = section(
      "Ask the model",
      element("div", { class: "buttons" }, this.drawButton, this.brush.button, slide, hiding),
      this.brush.root,
      this.action.root,
      this.cover.root,
      numbers,
      this.volumes,
      this.result,
    );
  }

  /** Of a volume the hottest cells alone can be hidden, by a blur or the mean. */
  offer(film: boolean): void {
    for (const each of this.ofFilms) each.hidden = !film;
    if (!film) this.brush.root.hidden = true;
    this.volumes.hidden = film;
    this.cover.fill(film ? COVERS : COVERS.slice(0, 2), film ? this.cover.value : "blur");
  }

  /** What was measured is not of what is shown now. */
  forget(): void {
    this.tests += 1;
    this.isOfMap = false;
    this.result.replaceChildren();
  }

  /** The map is another: what was measured of the last one is not of it; a region's change is. */
  forgetMap(): void {
    if (this.isOfMap) this.forget();
  }

  /** The film or the target is another: a region that is drawn is tested again. */
  clear(film: boolean): void {
    this.forget();
    if (film) this.region = null;
    this.redraw();
    if (this.region !== null) void this.test();
  }

  /** The viewer drew the film anew: the box is drawn again; what is painted is still there. */
  redraw(): void {
    if (this.region === null) this.target.region(null);
    else if ("box" in this.region) this.target.region(this.region.box);
  }

  /** A box was drawn on the film. */
  drawn(box: Region, done: boolean): void {
    const values = [box.x, box.y, box.width, box.height];
    this.sides.forEach((side, i) => (side.value = String(Math.round(values[i]!))));
    if (!done) return;
    this.region = { box: { ...box } };
    void this.test();
  }

  /** A region was painted, or erased until nothing is left of it. */
  painted(painting: Painting): void {
    if (painting.isEmpty) {
      this.clear(true);
      return;
    }
    this.region = { mask: painting.runs() };
    void this.test();
  }

  /** The viewer's settings were changed, here or there. */
  showSettings(settings: Settings): void {
    this.tool = settings.tool;
    this.drawButton.setAttribute("aria-pressed", String(this.tool === "region"));
    this.brush.show(settings);
  }

  private toggle(tool: Tool): void {
    this.target.change({ tool: this.tool === tool ? "pan" : tool });
  }

  private side(name: string): HTMLInputElement {
    return element("input", { type: "number", min: 0, step: 1, "aria-label": `${name} in pixels`, placeholder: name });
  }

  private fromNumbers(): void {
    const [x, y, width, height] = this.sides.map((side) => side.valueAsNumber || 0);
    const box = { x: x!, y: y!, width: width!, height: height! };
    this.region = { box };
    this.target.region(box);
    void this.test();
  }

  /** One forward pass for the change, then those of the regions elsewhere. */
  private async test(): Promise<void> {
    const question = this.target.question();
    if (question === null || this.region === null) return;
    const test = ++this.tests;
    this.isOfMap = false;
    const { film, model, target } = question;
    const [action, cover] = [this.action.value, this.cover.value];
    const request = { film, model, target, ...regionData(this.region), action, cover };
    try {
      for (const places of [0, PLACES]) {
        if (places > 0) await pause(PAUSE);
        if (test !== this.tests) return;
        const change = await post<RegionChange>("region", { ...request, places });
        if (test !== this.tests) return;
        this.show(change, action, places > 0);
      }
    } catch (error) {
      if (test === this.tests) this.status.fail(error);
    }
  }

  private show(change: RegionChange, action: string, complete: boolean): void {
    const kind = change.score_kind;
    const by = change.after.score - change.before.score;
    const verb = action === "hide" ? "hidden" : "kept alone";
    const lines = [
      element("p", {}, element("b", {}, change.target), ` with ${percent(change.share)} of the input ${verb}`),
      element("p", { class: "numbers" }, `${scoreText(change.before, kind)} → ${scoreText(change.after, kind)}`),
    ];
    this.result.replaceChildren(...lines);
    this.result.scrollIntoView({ block: "nearest" });
    if (!complete) {
      this.result.append(element("p", { class: "quiet" }, `${kind} ${signed(by)}; comparing with random places…`));
      return;
    }
    const elsewhere = change.elsewhere.map((other) => other.score - change.before.score);
    const words = comparison(by, elsewhere, kind);
    if (elsewhere.length > 0) this.result.append(strip(by, elsewhere, words));
    this.result.append(element("p", { class: "quiet" }, words));
    this.result.scrollIntoView({ block: "nearest" });
  }

  private async slide(): Promise<void> {
    const question = this.target.question();
    if (question === null) return;
    const { film, model, target } = question;
    const cover = this.cover.value;
    const request = { kind: "occlusion", film, model, target, cells: CELLS, cover };
    const live = element("div", { "aria-live": "off" });
    const done = await this.work<Occlusion>("Sliding over the film", request, live, ([before, ...scores]) => {
      if (before === undefined || scores.length === 0) return;
      live.replaceChildren(pass(before, scores, CELLS, `${scores.length} of ${CELLS ** 2} cells`));
    });
    if (done !== null) this.showPass(done, request);
  }

  /** What each hidden cell did to the score: a map, and the curve of the pass. */
  showPass(done: Occlusion, { model, target, cover, cells }: PassRequest): void {
    const drop = done.drop.flat();
    const limit = Math.max(...drop.map(Math.abs));
    this.target.addMap((like) => ({
      ...like,
      ...done.before,
      id: `occlusion/${model}/${target}/${cover}`,
      target,
      score_kind: done.score_kind,
      method: "occlusion",
      layer: `${cells} × ${cells} cells hidden, one after the other`,
      unit: done.score_kind,
      grid: [cells, cells],
      values: encoded(drop),
      relu: false,
      limit,
      empty: limit > 0 ? null : "The score is the same whichever cell is hidden.",
    }));
    const peak = Math.max(...drop);
    const before = done.before.score;
    const words = `The largest fall of the ${done.score_kind} is ${number(peak)}. The map shows the fall where each cell is hidden.`;
    this.result.replaceChildren(
      pass(before, drop.map((each) => before - each), cells, words),
      element("p", { class: "key" }, element("span", { class: "hottest" }, `${done.score_kind} with a cell hidden`), element("span", { class: "random" }, "with none")),
      element("p", { class: "quiet" }, words),
    );
    this.result.scrollIntoView({ block: "nearest" });
  }

  private async hideHottest(): Promise<void> {
    const question = this.target.question();
    if (question === null) return;
    const cells = Math.max(Math.round(this.cells.valueAsNumber || 1), 1);
    const request = { kind: "curve", ...question, cover: this.cover.value, cells };
    const work = this.work<Curve>("Hiding cells", request);
    this.isOfMap = true;
    const done = await work;
    if (done !== null) this.showCurve(done);
  }

  /** The score while the hottest cells are hidden, beside random orders. */
  showCurve(done: Curve): void {
    this.isOfMap = true;
    const scores = done.hottest.map((each) => each.score);
    const random = done.random.map((order) => order.map((each) => each.score));
    const area = mean(scores.map((score, i) => score - mean(random.map((order) => order[i]!))));
    const lower = area < 0 ? "lower" : "higher";
    const words = `${done.target}: hottest cells first the ${done.score_kind} is on average ${number(Math.abs(area))} ${lower} than in random orders.`;
    const at = done.count === null ? null : done.counts.indexOf(done.count);
    const marked = at === null ? "" : markedWords(done, at, random.map((order) => order[at]!));
    this.result.replaceChildren(
      curve(done.shares, scores, random, at, `${done.counts.at(-1)} of ${done.cells} hidden`, words),
      element("p", {}, marked),
      element("p", { class: "key" }, element("span", { class: "hottest" }, "hottest first"), element("span", { class: "random" }, "random orders")),
      element("p", { class: "quiet" }, words),
    );
    this.result.scrollIntoView({ block: "nearest" });
  }

  /** The result of long work; null where it failed, was cancelled, or is of another question. */
  private async work<Result>(
    what: string,
    request: object,
    live: HTMLElement = element("div"),
    scored: (scores: readonly number[]) => void = () => undefined,
  ): Promise<Result | null> {
    this.forget();
    const test = this.tests;
    this.status.say("");
    const line = new ProgressLine(what);
    const place = element("div");
    let height = 0;
    this.result.replaceChildren(place, live);
    const progress = (job: Job<Result>): boolean => {
      if (test !== this.tests) return false;
      line.show(job, place);
      scored(job.scores);
      // What grows below the edge of the panel is brought into sight; a person may then scroll on.
      const { offsetHeight } = this.result;
      if (offsetHeight > height) this.result.scrollIntoView({ block: "nearest" });
      height = Math.max(height, offsetHeight);
      return true;
    };
    try {
      const job = await follow<Result>(request, progress);
      if (test !== this.tests) return null;
      if (job.state === "cancelled") this.result.replaceChildren(element("p", {}, "Cancelled."));
      return job.result;
    } catch (error) {
      if (test === this.tests) this.result.replaceChildren();
      this.status.fail(error);
      return null;
    }
  }
}

/** What the chosen number of hottest cells does, beside as many at random. */
function markedWords(done: Curve, at: number, random: readonly number[]): string {
  const [before, after] = [done.hottest[0]!, done.hottest[at]!].map((score) => scoreText(score, done.score_kind));
  const cells = done.count === 1 ? "The hottest cell" : `The ${done.count} hottest cells`;
  const [low, high] = [Math.min(...random), Math.max(...random)];
  return `${cells} of ${done.cells} hidden (${percent(done.shares[at]!)}): ${before} → ${after}; as many at random: ${done.score_kind} ${number(low)} to ${number(high)}.`;
}

function regionData(region: { box: Region } | { mask: string }): object {
  if ("mask" in region) return region;
  const { x, y, width, height } = region.box;
  return { box: [x, y, width, height] };
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => window.setTimeout(resolve, milliseconds));
}

function comparison(by: number, elsewhere: readonly number[], kind: string): string {
  const change = `The ${kind} changes by ${signed(by)}.`;
  if (elsewhere.length === 0) {
    return `${change} The region leaves no room for an equally large one elsewhere.`;
  }
  const larger = elsewhere.filter((other) => Math.abs(other) < Math.abs(by)).length;
  const [low, high] = [Math.min(...elsewhere), Math.max(...elsewhere)];
  return `${change} The same region at ${elsewhere.length} random other places in the film: ${signed(low)} to ${signed(high)}. The change here is larger than at ${larger} of them.`;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Numbers as little-endian float32 in base64. */
function encoded(values: readonly number[]): string {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => view.setFloat32(4 * i, value, true));
  return btoa(String.fromCharCode(...new Uint8Array(view.buffer)));
}
