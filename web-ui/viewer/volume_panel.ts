/** What a volume needs beside the viewer of one film: which plane, which slice, the other planes. */

import { button, element, freshId } from "./dom.js";
import { layerOf } from "./layer.js";
import type { Settings } from "./settings.js";
import { type Shown, Stage } from "./stage.js";
import { type Axis, type PlaneData, Volume, type Voxel } from "./volume.js";
import { type Words, filled } from "./words.js";

const AXES: readonly Axis[] = [0, 1, 2];
/** Pixels by which the pointer may move in a click. */
const CLICK = 4;

export class VolumePanel {
  /** Plane, slice and its number. */
  readonly bar = element("div", { class: "slices", role: "group" });
  /** The two other planes. */
  readonly beside = element("div", { class: "planes" });
  at: Voxel;
  axis: Axis = 0;
  private readonly slider: HTMLInputElement;
  private readonly output = element("output");
  private readonly buttons: HTMLButtonElement[];
  private readonly stages: Stage[] = [];
  private readonly edges: HTMLElement[];
  private readonly ended = new AbortController();

  constructor(
    readonly volume: Volume,
    private readonly words: Words,
    painter: "webgl" | "canvas" | null,
    main: Stage,
    private readonly changed: () => void,
  ) {
    this.at = [...volume.about.at];
    this.buttons = AXES.map((axis) =>
      button(volume.about.names[axis], volume.about.names[axis], false, () => this.choose(axis)),
    );
    const id = freshId();
    this.slider = element("input", { type: "range", id, min: 0, step: 1 });
    this.slider.addEventListener("input", () => this.move(Number(this.slider.value)));
    const peak = button(words.peak, words.peak, null, () => this.toPeak());
    const label = element("label", { for: id }, words.slice);
    this.bar.append(...this.buttons, label, this.slider, this.output, peak);
    this.bar.setAttribute("aria-label", words.slice);
    this.edges = addEdges(main.root.parentElement!);
    this.watch(main, () => this.axis);
    for (const slot of [0, 1]) this.addStage(slot, painter);
  }

  private addStage(slot: number, painter: "webgl" | "canvas" | null): void {
    const stage = new Stage(painter, this.words.viewer);
    const place = element("div", { class: "plane" }, stage.root);
    this.edges.push(...addEdges(place));
    this.watch(stage, () => this.otherAxes()[slot]!);
    this.stages.push(stage);
    this.beside.append(place);
  }

  /** A click goes to that voxel in all planes. */
  private watch(stage: Stage, axisOf: () => Axis): void {
    const clicked = (at: [number, number]): void => {
      const axis = axisOf();
      this.at = this.volume.toVoxel(axis, stage.view.toFilm(stage.toPanel(at).at), this.at);
      this.changed();
    };
    watchClicks(stage.root, clicked, this.ended.signal);
  }

  /** Other maps of the same volume: the plane and the voxel stay. */
  stayAt(before: VolumePanel): void {
    if (!before.volume.hasMapsOf(this.volume)) return;
    this.at = before.at;
    this.axis = before.axis;
  }

  private otherAxes(): Axis[] {
    return AXES.filter((axis) => axis !== this.axis);
  }

  /** What the viewer shows: the chosen plane. */
  main(): PlaneData {
    return this.volume.plane(this.axis, this.at);
  }

  choose(axis: Axis): void {
    this.axis = axis;
    this.changed();
  }

  /** To a slice of the chosen plane. */
  move(index: number): void {
    const last = this.volume.about.size[this.axis] - 1;
    this.at[this.axis] = Math.min(Math.max(index, 0), last);
    this.changed();
  }

  step(by: number): void {
    this.move(this.at[this.axis] + by);
  }

  nextPlane(): void {
    this.choose(((this.axis + 1) % 3) as Axis);
  }

  toPeak(): void {
    this.at = [...this.volume.about.at];
    this.changed();
  }

  /** The peak of the map that is shown. */
  setPeak(id: string): void {
    const map = this.volume.about.maps.find((each) => each.id === id);
    if (map !== undefined) this.volume.about.at.splice(0, 3, ...map.at);
  }

  /** A point of the chosen plane in the numbers of the file. */
  place([x, y]: readonly [number, number]): string {
    const voxel = this.volume.toVoxel(this.axis, [x, y], this.at);
    const stored = AXES.map((axis) => [this.volume.about.numbering[axis].axis, this.volume.stored(axis, voxel[axis])] as const);
    const named = new Map(stored);
    const of = (axis: number): string => String(named.get(axis) ?? 0);
    return filled(this.words.voxel, { slice: of(0), row: of(1), column: of(2) });
  }

  /** Draw the other planes, and say which slice is shown. */
  show(shown: readonly Shown[], settings: Settings): void {
    const { about } = this.volume;
    const last = about.size[this.axis] - 1;
    this.slider.max = String(last);
    this.slider.value = String(this.at[this.axis]);
    const { axis, count } = about.numbering[this.axis];
    const number = this.volume.stored(this.axis, this.at[this.axis]);
    const names = [this.words.slice, this.words.plane_row, this.words.plane_column];
    this.output.value = filled(this.words.slice_of, {
      axis: names[axis]!, number: String(number), last: String(count - 1),
    });
    this.slider.setAttribute("aria-valuetext", this.output.value);
    this.buttons.forEach((each, i) => each.setAttribute("aria-pressed", String(i === this.axis)));
    const axes = [this.axis, ...this.otherAxes()];
    axes.forEach((each, i) => {
      about.edges[each].forEach((letter, side) => (this.edges[4 * i + side]!.textContent = letter));
    });
    this.stages.forEach((stage, slot) => this.showBeside(stage, axes[slot + 1]!, shown[0]!, settings));
  }

  private showBeside(stage: Stage, axis: Axis, first: Shown, settings: Settings): void {
    const { film, data } = this.volume.plane(axis, this.at);
    const map = data.maps.find((each) => each.id === first.layer?.id);
    stage.setFilm(film, data, true);
    stage.cross = this.volume.toPlane(axis, this.at);
    const layer = map === undefined ? null : layerOf(map, film);
    const plain = { ...settings, tool: "pan" as const, mode: "one" as const };
    stage.show([{ ...first, layer, title: this.volume.about.names[axis] }], plain);
  }

  dispose(): void {
    this.ended.abort();
    for (const stage of this.stages) stage.dispose();
    for (const each of [this.bar, this.beside, ...this.edges]) each.remove();
  }
}

/** Letters at the left, right, top and bottom of a plane. */
function addEdges(place: HTMLElement): HTMLElement[] {
  const edges = ["left", "right", "top", "bottom"].map((side) =>
    element("span", { class: `edge ${side}`, "aria-hidden": "true" }),
  );
  place.append(...edges);
  return edges;
}

/** A press without a drag. */
function watchClicks(
  stage: HTMLElement,
  clicked: (at: [number, number]) => void,
  signal: AbortSignal,
): void {
  let from: [number, number] = [0, 0];
  const down = (event: PointerEvent): void => {
    from = [event.clientX, event.clientY];
  };
  const up = (event: PointerEvent): void => {
    if (Math.hypot(event.clientX - from[0], event.clientY - from[1]) > CLICK) return;
    const bounds = stage.getBoundingClientRect();
    clicked([event.clientX - bounds.left, event.clientY - bounds.top]);
  };
  stage.addEventListener("pointerdown", down, { signal });
  stage.addEventListener("pointerup", up, { signal });
}
