/** The choices of one pane of Compare, and the map that they gave. */

import type { MapData } from "../viewer/data.js";
import { button, element } from "../viewer/dom.js";
import type { memberOf } from "../viewer/ensemble.js";
import type { Layer } from "../viewer/layer.js";
import type { Placed } from "./carried.js";
import type { Frame } from "./frame.js";
import type { PaneContent } from "./pane.js";
import { Choice, scoreText } from "./parts.js";

type Member = ReturnType<typeof memberOf>;

/** What the page does when a choice changes. */
export interface PaneEvents {
  /** Another film, model, method or layer; `modelChanged`: other layers and labels, too. */
  changed(modelChanged: boolean): void;
  filmChanged(): void;
  weighted(): void;
  remove(): void;
}

/** A map that a pane was given. */
export interface PaneMap {
  readonly map: MapData;
  readonly layer: Layer;
  readonly member: Member;
}

let made = 0;

export class PaneChoice {
  readonly root = element("div", { class: "pane-choice", role: "group" });
  /** By which the pane is known when others are removed. */
  readonly id = String(++made);
  readonly film: Choice;
  readonly model: Choice;
  readonly method: Choice;
  readonly layer: Choice;
  readonly weight = element("input", { type: "range", min: 0, max: 1, step: 0.05, value: 1 });
  /** The film that is shown; null before one is opened. */
  frame: Frame | null = null;
  shown: PaneMap | null = null;
  problem = "";
  /** Counts requests, so that a late reply is left out. */
  requests = 0;
  /** On what the model was trained, where it has to be known. */
  readonly training = element("p", { class: "notice" });
  readonly work = element("div");
  private readonly weighing: HTMLElement;
  private readonly name = element("b");
  private readonly close: HTMLButtonElement;

  constructor(events: PaneEvents) {
    this.film = new Choice("Film", () => events.filmChanged());
    this.model = new Choice("Model", () => events.changed(true));
    this.method = new Choice("Method", () => events.changed(false));
    this.layer = new Choice("Layer", () => events.changed(false));
    this.weight.addEventListener("input", () => events.weighted());
    this.close = button("×", "Remove the pane", null, () => events.remove());
    this.weighing = element("label", { class: "choice" }, element("span", {}, "Weight"), this.weight);
    const head = element("div", { class: "head" }, this.name, this.close);
    this.root.append(
      head, this.film.root, this.model.root, this.training, this.method.root, this.layer.root, this.work, this.weighing,
    );
  }

  setNumber(index: number, removable: boolean): void {
    this.name.textContent = `Pane ${index + 1}`;
    this.root.setAttribute("aria-label", `Pane ${index + 1}`);
    this.film.select.setAttribute("aria-label", `Film of pane ${index + 1}`);
    this.weight.setAttribute("aria-label", `Weight of pane ${index + 1}`);
    this.close.setAttribute("aria-label", `Remove pane ${index + 1}`);
    this.close.hidden = !removable;
  }

  /** Whether the map is averaged with others, and so has a weight. */
  setAveraged(isAveraged: boolean): void {
    this.weighing.hidden = !isAveraged;
  }

  get placed(): Placed | null {
    const { shown, frame } = this;
    return shown === null || frame === null ? null : { map: shown.map, layer: shown.layer, frame };
  }

  /** `named`: whether the name of the film is told, because the panes have several. */
  content(index: number, frame: Frame, named: boolean): PaneContent {
    const name = (choice: Choice): string => choice.select.selectedOptions[0]?.textContent ?? "";
    const map = this.shown?.map;
    const parts = [name(this.model), name(this.method), map?.layer ?? name(this.layer)];
    if (named) parts.unshift(frame.name);
    if (map !== undefined && map.score !== null) {
      parts.push(scoreText({ score: map.score, probability: map.probability }, map.score_kind));
    }
    const title = [String(index + 1), ...parts].join(" · ");
    return { title, layer: this.shown?.layer ?? null, problem: this.problem, combined: false, frame };
  }

  forget(problem: string): void {
    this.shown = null;
    this.problem = problem;
  }
}
