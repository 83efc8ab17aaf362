/** Panes side by side, of one film or several, that move, zoom and change their grey levels together. */

import { changeOf } from "../viewer/commands.js";
import { element } from "../viewer/dom.js";
import { helpDialog } from "../viewer/help.js";
import { BRUSH_KEYS, type Command, VOLUME_KEYS, commandOf } from "../viewer/keyboard.js";
import { shadowOf } from "../viewer/mount.js";
import { watchPointer } from "../viewer/pointer.js";
import { type Settings, initialSettings } from "../viewer/settings.js";
import { Units } from "../viewer/units.js";
import type { Size, View } from "../viewer/view.js";
import { ENGLISH } from "../viewer/words.js";
import { type Point, apply, inverse, scaleOf } from "./affine.js";
import { type Frame, windowOn } from "./frame.js";
import { Pane, type PaneContent } from "./pane.js";

/** What keys do on the page beside the panes. */
export interface PanesEvents {
  settingsChanged(): void;
  /** To the next (1) or the previous (−1) label, in all panes. */
  label(step: number): void;
  film(step: number): void;
  /** Another way of looking at the panes: see `nextLayout`. */
  layout(): void;
}

/** The keys of the viewer, but for those of annotations, of the brush and of volumes. */
const WITHOUT = ["key_truth", ...BRUSH_KEYS, ...VOLUME_KEYS] as const;

const WORDS = {
  ...ENGLISH,
  key_map: "previous label, next label, in all panes",
  key_image: "previous film, next film",
  key_compare: "all panes, with the difference of two, one pane alone",
};

/** Pixels of the screen that an arrow moves the film, and the cross. */
const STEP = { film: 40, cross: 8 } as const;

/** Pixels of the screen that the title of a pane takes, about. */
const CAPTION = 45;

export class Panes {
  readonly host = element("div", { class: "host" });
  settings: Settings | null = null;
  /** Whether one pane is shown, as large as all of them: that which the pointer or the focus was on last. */
  alone = false;
  private readonly grid = element("div", { class: "panes" });
  private readonly help = helpDialog(WORDS, WITHOUT);
  private panes: Pane[] = [];
  private contents: readonly PaneContent[] = [];
  private first: Frame | null = null;
  private last: Pane | null = null;
  /** Whether the cross stays, whatever the pointer is on. */
  private held = false;
  private readonly observer = new ResizeObserver(() => this.lay());

  constructor(private readonly events: PanesEvents) {
    shadowOf(this.host).append(this.grid, this.help);
    this.host.addEventListener("keydown", (event) => this.key(event));
    this.observer.observe(this.host);
  }

  /** The film that the others are laid on: its grey levels are set, and theirs follow. */
  setFirst(frame: Frame): void {
    this.first = frame;
    this.settings = initialSettings(frame.data);
    this.held = false;
    for (const { stage } of this.panes) stage.cross = null;
  }

  show(contents: readonly PaneContent[]): void {
    if (this.first === null) return;
    this.contents = contents;
    const { hasFocus } = this;
    while (this.panes.length > contents.length) this.drop(this.panes.pop()!);
    if (hasFocus && !this.hasFocus) this.leader?.stage.root.focus({ preventScroll: true });
    while (this.panes.length < contents.length) this.add();
    this.lay();
    const fresh = this.panes.filter((pane, i) => pane.setFrame(contents[i]!.frame));
    this.draw(false);
    const leader = this.panes.find((pane) => !fresh.includes(pane) && !pane.stage.view.isFitted);
    if (leader !== undefined && fresh.length > 0) this.follow(leader);
  }

  change(changed: Partial<Settings>): void {
    if (this.settings === null) return;
    Object.assign(this.settings, changed);
    this.draw(true);
    this.events.settingsChanged();
  }

  /** Show all panes, or one alone. */
  setAlone(alone: boolean): void {
    this.alone = alone;
    this.lay();
  }

  /** The pane that keys move, and that is shown alone. */
  private get leader(): Pane | undefined {
    return this.last ?? this.panes[0];
  }

  private get hasFocus(): boolean {
    return this.panes.some(({ root }) => root.matches(":focus-within"));
  }

  private lay(): void {
    const { alone, leader } = this;
    if (alone && this.hasFocus) leader?.stage.root.focus({ preventScroll: true }); // what is hidden loses it
    for (const pane of this.panes) pane.root.hidden = alone && pane !== leader;
    this.grid.classList.toggle("alone", alone);
    this.grid.style.setProperty("--columns", String(this.columns()));
  }

  /** With which the films are largest. */
  private columns(): number {
    const { clientWidth: width, clientHeight: height } = this.host;
    const film = this.first?.film ?? { width: 1, height: 1 };
    this.grid.style.setProperty("--aspect", `${film.width} / ${film.height}`);
    return columnsOf(this.panes.length, { width, height }, film, CAPTION);
  }

  private add(): void {
    const pane = new Pane(`Pane ${this.panes.length + 1}`);
    this.grid.append(pane.root);
    this.watch(pane);
    this.panes.push(pane);
  }

  private drop(pane: Pane): void {
    if (pane === this.last) this.last = null;
    pane.stage.dispose();
    pane.root.remove();
  }

  private watch(pane: Pane): void {
    const { stage } = pane;
    for (const reached of ["pointerenter", "focusin"]) {
      pane.root.addEventListener(reached, () => (this.last = pane));
    }
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
      point: (at) => {
        if (!this.held) this.setCross(pane, at === null ? null : stage.view.toFilm(at));
      },
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

  /** A point of one pane's film, in all panes. */
  private setCross(under: Pane, at: Point | null): void {
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
    if (this.help.open && command !== "help" && command !== "close") return;
    if (command === "close" && !this.help.open && !this.held) return;
    if (!this.run(command, this.settings, this.first)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Do what a key does; whether it does something here. */
  private run(command: Command, settings: Settings, first: Frame): boolean {
    const own = this.commands()[command];
    if (own !== undefined) {
      own();
      return true;
    }
    const change = changeOf(command, settings, first.data, false, ["pan", "window"]);
    if (change !== null) this.change(change);
    return change !== null;
  }

  private commands(): Partial<Record<Command, () => void>> {
    const { events } = this;
    return {
      ...this.moves(),
      fit: () => this.fit(),
      reset: () => this.reset(),
      cross: () => this.toggleCross(),
      help: () => (this.help.open ? this.help.close() : this.help.showModal()),
      close: () => (this.help.open ? this.help.close() : this.toggleCross()),
      previousMap: () => events.label(-1),
      nextMap: () => events.label(1),
      previousImage: () => events.film(-1),
      nextImage: () => events.film(1),
      compare: () => events.layout(),
    };
  }

  /** Of the film, or of the cross where it is held. */
  private moves(): Partial<Record<Command, () => void>> {
    const zoom = (factor: number) => () => this.moveView((view) => view.zoomBy(factor));
    return {
      zoomIn: zoom(1.25),
      zoomOut: zoom(1 / 1.25),
      actual: () => this.moveView((view) => view.zoomTo(1)),
      left: () => this.moveBy(1, 0),
      right: () => this.moveBy(-1, 0),
      up: () => this.moveBy(0, 1),
      down: () => this.moveBy(0, -1),
    };
  }

  private moveView(move: (view: View) => void): void {
    const { leader } = this;
    if (leader === undefined) return;
    move(leader.stage.view);
    this.follow(leader);
  }

  private moveBy(x: number, y: number): void {
    const { leader } = this;
    const cross = leader?.stage.cross ?? null;
    if (!this.held || leader === undefined || cross === null) {
      this.moveView((view) => view.moveBy(STEP.film * x, STEP.film * y));
      return;
    }
    const { film } = leader.frame!;
    const by = STEP.cross / leader.stage.view.zoom;
    const along = (at: number, size: number): number => Math.min(Math.max(at, 0.5), size - 0.5);
    this.setCross(leader, [along(cross[0] - by * x, film.width), along(cross[1] - by * y, film.height)]);
  }

  /** The cross stays in the middle of what is shown, until it is moved or taken away. */
  private toggleCross(): void {
    const { leader } = this;
    if (leader === undefined) return;
    this.held = !this.held;
    const { x, y } = leader.stage.view;
    this.setCross(leader, this.held ? [x, y] : null);
  }

  private reset(): void {
    if (this.first === null) return;
    this.setFirst(this.first);
    this.draw(false);
    this.fit();
    this.events.settingsChanged();
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
    this.observer.disconnect();
    for (const pane of this.panes) this.drop(pane);
    this.panes = [];
  }
}

/** How many columns of panes show a film as large as possible. */
export function columnsOf(count: number, space: Size, film: Size, caption: number): number {
  const zoom = (columns: number): number => {
    const rows = Math.ceil(count / columns);
    return Math.min(space.width / columns / film.width, (space.height / rows - caption) / film.height);
  };
  let best = 1;
  for (let columns = 2; columns <= count; columns++) {
    if (zoom(columns) > zoom(best)) best = columns;
  }
  return best;
}

/** A point of one film on another. */
function onFilmOf(other: Frame, one: Frame, at: Point): [number, number] {
  return other === one ? [at[0], at[1]] : apply(other.place, apply(inverse(one.place), at));
}

function isOn({ film }: Frame, [x, y]: Point): boolean {
  return x >= 0 && y >= 0 && x <= film.width && y <= film.height;
}
