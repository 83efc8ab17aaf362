/** Panes side by side that move, zoom and change their grey levels together. */

import { changeOf, moved } from "../viewer/commands.js";
import type { ViewerData } from "../viewer/data.js";
import { element } from "../viewer/dom.js";
import type { Film } from "../viewer/film.js";
import { valueAt } from "../viewer/geometry.js";
import { type Command, commandOf } from "../viewer/keyboard.js";
import type { Layer } from "../viewer/layer.js";
import { shadowOf } from "../viewer/mount.js";
import { watchPointer } from "../viewer/pointer.js";
import { type Settings, initialSettings } from "../viewer/settings.js";
import { Stage } from "../viewer/stage.js";
import { number } from "../viewer/words.js";

/** What one pane shows. */
export interface PaneContent {
  readonly title: string;
  readonly layer: Layer | null;
  /** Why there is no map; else "". */
  readonly problem: string;
  /** Whether it is made of other panes, in another unit. */
  readonly combined: boolean;
}

class Pane {
  readonly stage: Stage;
  readonly root: HTMLElement;
  private readonly title = element("span");
  private readonly about = element("small");
  private content: PaneContent = { title: "", layer: null, problem: "", combined: false };

  constructor(name: string) {
    this.stage = new Stage(null, name);
    const view = element("div", { class: "view" }, this.stage.root);
    const caption = element("figcaption", {}, this.title, this.about);
    this.root = element("figure", { class: "pane" }, caption, view);
  }

  show(content: PaneContent, settings: Settings, limit: number, moving: boolean): void {
    this.content = content;
    const { layer, title } = content;
    const palette = layer?.signed ? settings.diverging : settings.sequential;
    this.title.textContent = title;
    this.stage.root.setAttribute("aria-label", title);
    this.read(null, limit);
    this.stage.show([{ layer, title: "", limit, palette }], settings, moving);
  }

  /** The value at a point of the film, beside what full colour is. */
  read(at: readonly [number, number] | null, limit: number): void {
    const { layer, problem } = this.content;
    if (layer === null || layer.empty !== null) {
      this.about.textContent = problem || (layer?.empty ?? "");
      return;
    }
    const value = at === null ? "" : `${number(valueAt(layer.field, layer.geometry, ...at))} here · `;
    this.about.textContent = `${value}full colour ${number(limit)}`;
  }
}

export class Panes {
  readonly host = element("div", { class: "host" });
  settings: Settings | null = null;
  private readonly grid = element("div", { class: "panes" });
  private panes: Pane[] = [];
  private contents: readonly PaneContent[] = [];
  private data: ViewerData | null = null;
  private film: Film | null = null;

  constructor(private readonly onChange: () => void) {
    shadowOf(this.host).append(this.grid);
    this.host.addEventListener("keydown", (event) => this.key(event));
  }

  setFilm(film: Film, data: ViewerData): void {
    this.film = film;
    this.data = data;
    this.settings = { ...initialSettings(data), contour: true };
    for (const { stage } of this.panes) stage.setFilm(film, data);
  }

  show(contents: readonly PaneContent[]): void {
    const { film, data } = this;
    if (film === null || data === null) return;
    this.contents = contents;
    while (this.panes.length > contents.length) this.drop(this.panes.pop()!);
    while (this.panes.length < contents.length) this.add(film, data);
    const columns = contents.length <= 3 ? contents.length : Math.ceil(contents.length / 2);
    this.grid.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    this.draw(false);
  }

  change(changed: Partial<Settings>): void {
    if (this.settings === null) return;
    Object.assign(this.settings, changed);
    this.draw(true);
    this.onChange();
  }

  private add(film: Film, data: ViewerData): void {
    const pane = new Pane(`Pane ${this.panes.length + 1}`);
    this.grid.append(pane.root);
    pane.stage.setFilm(film, data);
    this.watch(pane.stage);
    const first = this.panes[0]?.stage;
    this.panes.push(pane);
    if (first !== undefined && !first.view.isFitted) this.follow(first);
  }

  private drop(pane: Pane): void {
    pane.stage.dispose();
    pane.root.remove();
  }

  private watch(stage: Stage): void {
    const moving = (move: () => void): void => {
      move();
      this.follow(stage);
    };
    watchPointer(stage.root, {
      tool: () => (this.settings?.tool === "window" ? "window" : "pan"),
      move: (x, y) => moving(() => stage.view.moveBy(x, y)),
      zoom: (factor, at) => moving(() => stage.view.zoomBy(factor, at)),
      fit: () => this.fit(),
      window: (level, width) => this.dragWindow(level, width),
      point: (at) => this.point(at === null ? null : stage.view.toFilm(at)),
      region: () => undefined,
      paint: () => undefined,
      lift: () => undefined,
    });
  }

  /** All panes show the part of the film that one shows. */
  private follow(leader: Stage): void {
    const { x, y, zoom } = leader.view;
    for (const { stage } of this.panes) {
      if (stage !== leader) {
        stage.view.zoomTo(zoom);
        Object.assign(stage.view, { x, y });
      }
      stage.request(true);
    }
  }

  private fit(): void {
    for (const { stage } of this.panes) {
      stage.view.fit();
      stage.request();
    }
  }

  private point(at: [number, number] | null): void {
    const { film } = this;
    const isInside = at !== null && film !== null && at.every((each, i) => each >= 0 && each <= (i === 0 ? film.width : film.height));
    const shown = isInside ? at : null;
    this.panes.forEach((pane, i) => {
      pane.stage.cross = shown;
      pane.read(shown, this.limit(this.contents[i]!));
      pane.stage.request(true);
    });
  }

  private dragWindow(level: number, width: number): void {
    if (this.settings === null || this.data === null) return;
    const { low, high } = this.settings;
    const range = 2 ** this.data.film.bits - 1;
    const unit = (high - low) / 400;
    this.change(moved((low + high) / 2 + level * unit, high - low + width * unit, range));
  }

  /** The same keys as in the viewer. */
  private key(event: KeyboardEvent): void {
    const command = commandOf(event);
    if (command === null || this.settings === null || this.data === null) return;
    const change = changeOf(command, this.settings, this.data, false, ["pan", "window"]);
    if (change !== null) this.change(change);
    else if (!this.moveView(command)) return;
    event.preventDefault();
  }

  private moveView(command: Command): boolean {
    const leader = this.panes[0]?.stage;
    if (leader === undefined) return false;
    const { view } = leader;
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
    const { settings } = this;
    if (settings === null) return;
    this.panes.forEach((pane, i) => {
      const content = this.contents[i]!;
      pane.show(content, settings, this.limit(content), moving);
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
