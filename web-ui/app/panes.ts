/** Panes side by side, of one film or several, that move, zoom and change their grey levels together. */

import { changeOf } from "../viewer/commands.js";
import { element } from "../viewer/dom.js";
import { valueAt } from "../viewer/geometry.js";
import { type Command, commandOf } from "../viewer/keyboard.js";
import type { Layer } from "../viewer/layer.js";
import { shadowOf } from "../viewer/mount.js";
import { watchPointer } from "../viewer/pointer.js";
import { type Settings, initialSettings } from "../viewer/settings.js";
import { Stage } from "../viewer/stage.js";
import { Units } from "../viewer/units.js";
import { number } from "../viewer/words.js";
import { type Point, apply, inverse, scaleOf } from "./affine.js";
import { type Frame, windowOn } from "./frame.js";

/** What one pane shows. */
export interface PaneContent {
  readonly title: string;
  readonly layer: Layer | null;
  /** Why there is no map; else "". */
  readonly problem: string;
  /** Whether it is made of other panes, in another unit. */
  readonly combined: boolean;
  readonly frame: Frame;
}

class Pane {
  readonly stage: Stage;
  readonly root: HTMLElement;
  frame: Frame | null = null;
  private readonly title = element("span");
  private readonly about = element("small");
  private content: PaneContent | null = null;

  constructor(name: string) {
    this.stage = new Stage(null, name);
    const view = element("div", { class: "view" }, this.stage.root);
    const caption = element("figcaption", {}, this.title, this.about);
    this.root = element("figure", { class: "pane" }, caption, view);
  }

  /** Whether another film is shown from now on, whose view begins anew. */
  setFrame(frame: Frame): boolean {
    if (frame === this.frame) return false;
    this.frame = frame;
    this.stage.setFilm(frame.film, frame.data);
    return true;
  }

  show(content: PaneContent, settings: Settings, limit: number, moving: boolean): void {
    this.content = content;
    const { layer, title } = content;
    const palette = layer?.signed ? settings.diverging : settings.sequential;
    this.title.textContent = title;
    this.stage.root.setAttribute("aria-label", title);
    this.read(null, limit);
    // A line is drawn round positive values: of a difference it would leave out what became less.
    const contour = settings.contour && !(content.combined && layer?.signed);
    this.stage.show([{ layer, title: "", limit, palette }], { ...settings, contour }, moving);
  }

  /** The value at a point of the film, with the point's pixel, beside what full colour is. */
  read(at: Point | null, limit: number): void {
    const { layer, problem } = this.content!;
    if (layer === null || layer.empty !== null) {
      this.about.textContent = problem || (layer?.empty ?? "");
      return;
    }
    const pixel = at?.map(Math.floor).join(", ");
    const value = at === null ? "" : `${number(valueAt(layer.field, layer.geometry, ...at))} here (${pixel}) · `;
    this.about.textContent = `${value}full colour ${number(limit)}`;
  }
}

export class Panes {
  readonly host = element("div", { class: "host" });
  settings: Settings | null = null;
  private readonly grid = element("div", { class: "panes" });
  private panes: Pane[] = [];
  private contents: readonly PaneContent[] = [];
  private first: Frame | null = null;

  constructor(private readonly onChange: () => void) {
    shadowOf(this.host).append(this.grid);
    this.host.addEventListener("keydown", (event) => this.key(event));
  }

  /** The film that the others are laid on: its grey levels are set, and theirs follow. */
  setFirst(frame: Frame): void {
    this.first = frame;
    this.settings = { ...initialSettings(frame.data), contour: true };
  }

  show(contents: readonly PaneContent[]): void {
    if (this.first === null) return;
    this.contents = contents;
    while (this.panes.length > contents.length) this.drop(this.panes.pop()!);
    while (this.panes.length < contents.length) this.add();
    const columns = contents.length <= 3 ? contents.length : Math.ceil(contents.length / 2);
    this.grid.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    const fresh = this.panes.filter((pane, i) => pane.setFrame(contents[i]!.frame));
    this.draw(false);
    const leader = this.panes.find((pane) => !fresh.includes(pane) && !pane.stage.view.isFitted);
    if (leader !== undefined && fresh.length > 0) this.follow(leader);
  }

  change(changed: Partial<Settings>): void {
    if (this.settings === null) return;
    Object.assign(this.settings, changed);
    this.draw(true);
    this.onChange();
  }

  private add(): void {
    const pane = new Pane(`Pane ${this.panes.length + 1}`);
    this.grid.append(pane.root);
    this.watch(pane);
    this.panes.push(pane);
  }

  private drop(pane: Pane): void {
    pane.stage.dispose();
    pane.root.remove();
  }

  private watch(pane: Pane): void {
    const { stage } = pane;
    const moving = (move: () => void): void => {
      move();
      this.follow(pane);
    };
    watchPointer(stage.root, {
      tool: () => (this.settings?.tool === "window" ? "window" : "pan"),
      move: (x, y) => moving(() => stage.view.moveBy(x, y)),
      zoom: (factor, at) => moving(() => stage.view.zoomBy(factor, at)),
      fit: () => this.fit(),
      window: (level, width) => this.dragWindow(level, width),
      point: (at) => this.point(pane, at === null ? null : stage.view.toFilm(at)),
      region: () => undefined,
      paint: () => undefined,
      lift: () => undefined,
    });
  }

  /** All panes show the part of the patient that one shows, at the size that it has there. */
  private follow(leader: Pane): void {
    const { view } = leader.stage;
    for (const pane of this.panes) {
      if (pane !== leader && pane.frame !== null && leader.frame !== null) {
        const size = scaleOf(leader.frame.place) / scaleOf(pane.frame.place);
        const [x, y] = onFilmOf(pane.frame, leader.frame, [view.x, view.y]);
        pane.stage.view.zoomTo(view.zoom * size);
        Object.assign(pane.stage.view, { x, y });
      }
      pane.stage.request(true);
    }
  }

  private fit(): void {
    for (const { stage } of this.panes) {
      stage.view.fit();
      stage.request();
    }
  }

  private point(under: Pane, at: Point | null): void {
    const { frame } = under;
    const here = frame !== null && at !== null && isOn(frame, at) ? at : null;
    this.panes.forEach((pane, i) => {
      const there = here === null || frame === null ? null : onFilmOf(pane.frame!, frame, here);
      const shown = there !== null && isOn(pane.frame!, there) ? there : null;
      pane.stage.cross = shown;
      pane.read(shown, this.limit(this.contents[i]!));
      pane.stage.request(true);
    });
  }

  private dragWindow(level: number, width: number): void {
    if (this.settings === null || this.first === null) return;
    this.change(new Units(this.first.data.film).dragged(this.settings, level, width));
  }

  /** The same keys as in the viewer. */
  private key(event: KeyboardEvent): void {
    const command = commandOf(event);
    if (command === null || this.settings === null || this.first === null) return;
    const change = changeOf(command, this.settings, this.first.data, false, ["pan", "window"]);
    if (change !== null) this.change(change);
    else if (!this.moveView(command)) return;
    event.preventDefault();
  }

  private moveView(command: Command): boolean {
    const leader = this.panes[0];
    if (leader === undefined) return false;
    const { view } = leader.stage;
    const moves: Partial<Record<Command, () => void>> = {
      zoomIn: () => view.zoomBy(1.25),
      zoomOut: () => view.zoomBy(1 / 1.25),
      actual: () => view.zoomTo(1),
      left: () => view.moveBy(40, 0),
      right: () => view.moveBy(-40, 0),
      up: () => view.moveBy(0, 40),
      down: () => view.moveBy(0, -40),
    };
    const move = moves[command];
    if (command === "fit") this.fit();
    else if (move === undefined) return false;
    else {
      move();
      this.follow(leader);
    }
    return true;
  }

  private draw(moving: boolean): void {
    const { settings, first } = this;
    if (settings === null || first === null) return;
    this.panes.forEach((pane, i) => {
      const content = this.contents[i]!;
      const { frame } = content;
      const levels = frame === first ? {} : windowOn(first.data.film, frame.data.film, settings);
      pane.show(content, { ...settings, ...levels }, this.limit(content), moving);
    });
  }

  /** The value of full colour: on a shared or fixed scale one for all maps; of what is combined its own. */
  private limit({ layer, combined }: PaneContent): number {
    if (layer === null) return 0;
    if (combined || this.settings === null || this.settings.scale === "own") return layer.limit;
    return this.settings.scale === "shared" ? this.sharedLimit() : this.settings.limit;
  }

  /** The largest value of the maps. */
  sharedLimit(): number {
    const maps = this.contents.filter(({ combined }) => !combined);
    return Math.max(0, ...maps.map(({ layer }) => layer?.limit ?? 0));
  }

  dispose(): void {
    for (const pane of this.panes) this.drop(pane);
    this.panes = [];
  }
}

/** A point of one film on another. */
function onFilmOf(other: Frame, one: Frame, at: Point): [number, number] {
  return other === one ? [at[0], at[1]] : apply(other.place, apply(inverse(one.place), at));
}

function isOn({ film }: Frame, [x, y]: Point): boolean {
  return x >= 0 && y >= 0 && x <= film.width && y <= film.height;
}
