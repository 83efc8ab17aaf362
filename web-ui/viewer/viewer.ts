/** The viewer: data in, a film with its maps on the page. */

import { changeOf } from "./commands.js";
import { Controls } from "./controls.js";
import type { FilmData, MapData, ViewerData } from "./data.js";
import { button, element } from "./dom.js";
import { type Film, decodeFilm } from "./film.js";
import { helpDialog } from "./help.js";
import { BRUSH_KEYS, type Command, commandOf } from "./keyboard.js";
import { type Layer, comparable, difference, layerOf } from "./layer.js";
import { Legend } from "./legend.js";
import { Marking, type MarkingOptions } from "./marking.js";
import { type PointerTarget, type Region, watchPointer } from "./pointer.js";
import { type Reading, reading, readingAt } from "./readout.js";
import { type Settings, type Tool, initialSettings, settingsFor } from "./settings.js";
import { type Shown, Stage } from "./stage.js";
import { Units } from "./units.js";
import { Volume } from "./volume.js";
import { VolumePanel } from "./volume_panel.js";
import { ENGLISH, type Words, filled, number, percent } from "./words.js";

export interface ViewerOptions extends MarkingOptions {
  /** In the language of the page. */
  readonly words?: Words;
  /** Which painter; the best that the browser has without it. */
  readonly painter?: "webgl" | "canvas";
  readonly onChange?: (settings: Settings) => void;
  /** To the previous (−1) or next (1) image. */
  readonly onImage?: (step: number) => void;
  /** Whether keys work wherever the focus is on the page, for pages that the viewer fills. */
  readonly wholePage?: boolean;
  /** An anchor of the page, below the viewer, with what it says in words. */
  readonly below?: string;
}

export class Viewer {
  readonly root: HTMLDivElement;
  readonly stage: Stage;
  settings: Settings | null = null;
  private readonly words: Words;
  readonly marking: Marking;
  private readonly legend = new Legend();
  private readonly message = element("div", { class: "message", role: "status" });
  private readonly read = element("div", { class: "read", "aria-live": "polite" });
  private readonly notice = element("div", { class: "notice" });
  private readonly view: HTMLDivElement;
  private readonly help: HTMLDialogElement;
  private controls: Controls | null = null;
  private data: ViewerData | null = null;
  private film: Film | null = null;
  private decoded: { readonly source: FilmData; readonly film: Film } | null = null;
  private layers = new Map<string, Layer>();
  private differences = new Map<string, Layer>();
  private pointed: [number, number] | null = null;
  private loads = 0;
  private volume: VolumePanel | null = null;

  constructor(private readonly options: ViewerOptions = {}) {
    this.words = options.words ?? ENGLISH;
    this.stage = new Stage(options.painter ?? null, this.words.viewer);
    this.marking = new Marking(this.stage, options);
    this.help = helpDialog(this.words, this.tools().includes("brush") ? [] : BRUSH_KEYS);
    const foot = element("div", { class: "foot" }, this.read, this.notice);
    if (options.below) {
      foot.append(element("a", { href: options.below }, `${this.words.below} ↓`));
    }
    const over = [this.bar(), this.legend.root, this.message];
    this.view = element("div", { class: "view" }, this.stage.root, ...over);
    this.root = element("div", { class: "viewer" }, this.view, foot, this.help);
    watchPointer(this.stage.root, this.pointerTarget());
  }

  /** Show an image; what the person has set stays. */
  async show(data: ViewerData): Promise<void> {
    const load = ++this.loads;
    this.say(this.words.loading);
    try {
      const film = await this.filmOf(data.film);
      if (load !== this.loads) return; // another image was requested meanwhile
      this.beginVolume(data, film);
      const plane = this.volume?.main() ?? { data, film };
      this.begin(plane.data, plane.film);
    } catch (error) {
      this.fail(error instanceof Error ? error.message : String(error));
    }
  }

  /** The samples of a film; those of the last one are kept, for its maps change more often. */
  private async filmOf(source: FilmData): Promise<Film> {
    const kept = this.decoded;
    if (kept !== null && kept.source.data === source.data && kept.source.bits === source.bits) {
      return kept.film;
    }
    const film = await decodeFilm(source);
    this.decoded = { source, film };
    return film;
  }

  /** Say that an image cannot be shown. */
  fail(error: string): null {
    this.say(filled(this.words.failed, { error }));
    return null;
  }

  private begin(data: ViewerData, film: Film): void {
    this.data = data;
    this.film = film;
    this.layers = new Map(data.maps.map((map) => [map.id, layerOf(map, film)]));
    this.differences.clear();
    this.stage.cross = null;
    this.marking.setFilm(film, data.film.id);
    this.settings = settingsFor(data, this.settings);
    if (!this.tools().includes(this.settings.tool)) this.settings.tool = "pan";
    this.stage.setFilm(film, data);
    this.notice.textContent = data.synthetic
      ? `${data.notice} · ${this.words.synthetic}`
      : data.notice;
    this.replaceControls();
    this.refresh();
  }

  /** The planes of a volume; none of an image. */
  private beginVolume(data: ViewerData, film: Film): void {
    const before = this.volume;
    before?.dispose();
    this.volume = null;
    this.root.classList.toggle("volume", data.volume !== undefined);
    if (data.volume === undefined) return;
    const volume = new Volume(data, film.samples);
    const painter = this.options.painter ?? null;
    this.volume = new VolumePanel(volume, this.words, painter, this.stage, () => this.nextPlane());
    if (before !== null) this.volume.stayAt(before);
    this.root.append(this.volume.beside, this.volume.bar);
  }

  /** Another plane of the volume; settings and zoom stay. */
  private nextPlane(): void {
    const { data, film } = this.volume!.main();
    this.data = data;
    this.film = film;
    this.layers = new Map(data.maps.map((map) => [map.id, layerOf(map, film)]));
    this.differences.clear();
    this.stage.setFilm(film, data, true);
    this.refresh(true);
  }

  private replaceControls(): void {
    const target = {
      words: this.words,
      settings: () => this.settings!,
      change: (changed: Partial<Settings>) => this.change(changed),
      reset: () => this.reset(),
    };
    this.controls?.root.remove();
    this.controls = new Controls(target, this.data!, this.isSigned());
    this.view.after(this.controls.root);
  }

  /** Change settings, and draw. */
  change(changed: Partial<Settings>): void {
    if (this.settings === null) return;
    const wasSigned = this.isSigned();
    const current = this.limit();
    Object.assign(this.settings, changed);
    if (changed.scale === "fixed" && current > 0) this.settings.limit = current;
    if (this.isSigned() !== wasSigned) this.replaceControls();
    this.refresh(true);
    this.options.onChange?.(this.settings);
  }

  reset(): void {
    if (this.data === null) return;
    this.settings = initialSettings(this.data);
    this.stage.view.fit();
    this.replaceControls();
    this.refresh();
  }

  private refresh(moving = false): void {
    if (this.settings === null) return;
    const shown = this.shown(this.settings);
    this.stage.show(shown, this.settings, moving);
    this.volume?.setPeak(this.settings.map);
    this.volume?.show(shown, this.settings);
    this.controls?.refresh();
    const first = shown[0]!;
    const bar = this.settings.shown && first.layer !== null && first.layer.empty === null;
    this.legend.show(first.palette, bar ? first.limit : null, this.settings.threshold);
    const empty = this.settings.shown ? first.layer?.empty : null;
    this.say(empty ?? "");
    this.showReading();
  }

  /** The panels. */
  private shown(settings: Settings): Shown[] {
    const first = this.layers.get(settings.map) ?? null;
    const second = this.layers.get(settings.second) ?? null;
    if (first === null || second === null || settings.mode === "one") return [this.panel(first)];
    if (settings.mode === "side") return [first, second].map((layer) => this.withLimit(layer));
    return [this.differencePanel(first, second)];
  }

  private panel(layer: Layer | null): Shown {
    const title = layer?.title ?? this.words.film_alone;
    return { layer, title, limit: this.limit(layer), palette: this.palette() };
  }

  /** A panel whose title has its own full colour: the bar is that of the first. */
  private withLimit(layer: Layer): Shown {
    const panel = this.panel(layer);
    const about = layer.empty ?? `${this.words.limit} ${number(panel.limit)}`;
    return { ...panel, title: `${panel.title} · ${about}` };
  }

  private differencePanel(first: Layer, second: Layer): Shown {
    const sameUnit = comparable(this.map(first.id)!, this.map(second.id)!);
    const key = `${first.id} ${second.id}`;
    const layer = this.differences.get(key) ?? difference(first, second, sameUnit, this.film!);
    this.differences.set(key, layer);
    const names = { first: first.title, second: second.title };
    const words = filled(this.words.first_minus_second, names);
    const title = sameUnit ? words : `${words}. ${this.words.different_scales}`;
    return { layer, title, limit: layer.limit, palette: this.palette() };
  }

  private palette(): string {
    return this.isSigned() ? this.settings!.diverging : this.settings!.sequential;
  }

  /** Whether what is shown has both signs; maps that share a scale are drawn alike. */
  private isSigned(): boolean {
    const { settings } = this;
    if (settings === null) return false;
    if (settings.mode === "difference") return true;
    if (settings.scale === "shared") return [...this.layers.values()].some((each) => each.signed);
    const ids = settings.mode === "side" ? [settings.map, settings.second] : [settings.map];
    return ids.some((id) => this.layers.get(id)?.signed ?? false);
  }

  /** The value of full colour. */
  private limit(layer: Layer | null = this.layers.get(this.settings!.map) ?? null): number {
    switch (this.settings!.scale) {
      case "fixed":
        return this.settings!.limit;
      case "shared":
        return Math.max(0, ...[...this.layers.values()].map((each) => each.limit));
      default:
        return layer?.limit ?? 0;
    }
  }

  private map(id: string): MapData | null {
    return this.data?.maps.find((map) => map.id === id) ?? null;
  }

  private pointerTarget(): PointerTarget {
    const { stage } = this;
    const { view } = stage;
    return {
      tool: () => this.settings?.tool ?? "pan",
      move: (x, y) => {
        view.moveBy(x, y);
        stage.request(true);
      },
      zoom: (factor, at) => {
        view.zoomBy(factor, stage.toPanel(at).at);
        stage.request(true);
      },
      window: (level, width) => this.dragWindow(level, width),
      fit: () => this.run("fit"),
      point: (at) => {
        this.pointed = at;
        stage.pointer = at;
        if (this.settings?.tool === "brush") stage.request(true);
        this.showReading();
      },
      region: (from, to, done) => this.marking.box(from, to, done),
      paint: (from, to) => this.marking.paint(from, to, this.settings!),
      lift: () => this.marking.lift(),
    };
  }

  private dragWindow(level: number, width: number): void {
    const { settings, data } = this;
    if (settings === null || data === null) return;
    this.change(new Units(data.film).dragged(settings, level, width));
  }

  /** Show a box in pixels of the film; null shows none. What is painted is gone. */
  setRegion(region: Region | null): void {
    this.marking.showBox(region);
  }

  /** What a drag can do here. */
  private tools(): Tool[] {
    const { onRegion, onPaint } = this.options;
    if (this.volume !== null) return ["pan", "window"]; // a mark would be of one plane
    return ["pan", "window", ...(onRegion ? ["region" as const] : []), ...(onPaint ? ["brush" as const] : [])];
  }

  private showReading(): void {
    const read = this.currentReading();
    const counted = this.boxCount();
    const words = read === null ? "" : this.readingText(read);
    this.read.textContent = words || counted || (this.volume?.volume.about.note ?? "");
  }

  private readingText({ read, layer, map }: { read: Reading; layer: Layer | null; map: MapData | null }): string {
    const place = this.volume?.place([read.x + 0.5, read.y + 0.5]);
    return reading(this.words, read, layer, map, new Units(this.data!.film), place);
  }

  /** The reading at the cross or under the pointer, of the panel that it is over. */
  currentReading(): { read: Reading; layer: Layer | null; map: MapData | null } | null {
    if (this.settings === null || this.film === null) return null;
    const { stage } = this;
    const shown = this.shown(this.settings);
    const place = this.pointed === null ? null : stage.toPanel(this.pointed);
    const at = stage.cross ?? (place === null ? null : stage.view.toFilm(place.at));
    if (at === null) return null;
    const layer = shown[stage.cross === null ? (place?.panel ?? 0) : 0]?.layer ?? null;
    const map = layer === null ? null : this.map(layer.id);
    const read = readingAt(this.film, layer, map, at);
    if (read === null) return null;
    // The cells of a plane are between those of the grid.
    return this.volume === null ? { read, layer, map } : { read, layer, map: null };
  }

  private boxCount(): string {
    const { settings } = this;
    const layer = settings === null ? null : (this.layers.get(settings.map) ?? null);
    if (settings === null || layer === null || !settings.boxes || !settings.shown || this.volume !== null) return "";
    const count = String(layer.boxesAt(settings.level).length);
    return filled(this.words.box_count, { count, share: percent(settings.level) });
  }

  private say(text: string): void {
    this.message.textContent = text;
    this.message.hidden = text === "";
  }

  private bar(): HTMLElement {
    const { words } = this;
    const bar = element("div", { class: "bar", role: "group", "aria-label": words.film });
    const buttons: [string, string, Command][] = [
      ["−", words.zoom_out, "zoomOut"],
      ["+", words.zoom_in, "zoomIn"],
      [words.fit, words.fit, "fit"],
      [words.actual, words.actual, "actual"],
      ["?", words.help, "help"],
    ];
    for (const [text, title, command] of buttons) {
      bar.append(button(text, title, null, () => this.run(command)));
    }
    return bar;
  }

  /** Do what a key does; whether there was a command. */
  onKey(event: KeyboardEvent): boolean {
    const command = commandOf(event);
    if (command === null || event.defaultPrevented) return false;
    if (this.help.open && command !== "help" && command !== "close") return false;
    if (command === "close" && !this.help.open && this.stage.cross === null) return false;
    event.preventDefault();
    this.run(command);
    return true;
  }

  run(command: Command): void {
    const { settings, data } = this;
    if (settings === null || data === null) return;
    const change = changeOf(command, settings, data, this.isSigned(), this.tools());
    if (change !== null) this.change(change);
    else this.runOther(command);
  }

  private runOther(command: Command): void {
    switch (command) {
      case "help": return this.toggleHelp();
      case "close": return this.close();
      case "cross": return this.toggleCross();
      case "reset": return this.reset();
      case "paint": return this.paintAtCross();
      case "nextSlice": return this.volume?.step(1);
      case "previousSlice": return this.volume?.step(-1);
      case "plane": return this.volume?.nextPlane();
      case "peak": return this.volume?.toPeak();
      case "nextImage": return this.options.onImage?.(1);
      case "previousImage": return this.options.onImage?.(-1);
      default: return this.moveView(command);
    }
  }

  private moveView(command: Command): void {
    const { view } = this.stage;
    const step = 40;
    switch (command) {
      case "zoomIn": view.zoomBy(1.25); break;
      case "zoomOut": view.zoomBy(1 / 1.25); break;
      case "fit": view.fit(); break;
      case "actual": view.zoomTo(1); break;
      case "left": this.moveBy(step, 0); break;
      case "right": this.moveBy(-step, 0); break;
      case "up": this.moveBy(0, step); break;
      default: this.moveBy(0, -step);
    }
    this.stage.request(true);
    this.showReading();
  }

  private moveBy(x: number, y: number): void {
    const { stage, film } = this;
    if (stage.cross === null) return stage.view.moveBy(x, y);
    const by = 8 / stage.view.zoom / 40; // 8 pixels of the screen a step
    const along = (at: number, moved: number, size: number): number =>
      Math.min(Math.max(at - moved * by, 0.5), size - 0.5);
    const [atX, atY] = stage.cross;
    stage.cross = [along(atX, x, film!.width), along(atY, y, film!.height)];
  }

  private toggleCross(): void {
    const { stage } = this;
    stage.cross = stage.cross === null ? [stage.view.x, stage.view.y] : null;
    stage.request();
    this.showReading();
  }

  /** The first time the cross appears, to be moved by the arrows. */
  private paintAtCross(): void {
    if (!this.tools().includes("brush")) return;
    if (this.stage.cross === null) this.toggleCross();
    else this.marking.paintAtCross(this.settings!);
    if (this.settings!.tool !== "brush") this.change({ tool: "brush" });
  }

  private toggleHelp(): void {
    if (this.help.open) this.help.close();
    else this.help.showModal();
  }

  private close(): void {
    if (this.help.open) this.help.close();
    else if (this.stage.cross !== null) this.toggleCross();
  }

  dispose(): void {
    this.volume?.dispose();
    this.stage.dispose();
    this.root.remove();
  }
}
