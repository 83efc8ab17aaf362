/** The panel beside the film. It shows the settings, and changes them through one function. */

import { paletteNames } from "./colour.js";
import { hasTruth, type MapData, type ViewerData } from "./data.js";
import { button, element, freshId } from "./dom.js";
import { mapList } from "./list.js";
import { MODES, SCALES, type Mode, type Scale, type Settings } from "./settings.js";
import { Units } from "./units.js";
import { type Words, percent } from "./words.js";

export interface ControlsTarget {
  readonly words: Words;
  settings(): Settings;
  change(changed: Partial<Settings>): void;
  reset(): void;
}

type Refresh = () => void;

export class Controls {
  readonly root: HTMLElement;
  private readonly refreshers: Refresh[] = [];

  constructor(
    private readonly target: ControlsTarget,
    private readonly data: ViewerData,
    private readonly signed: boolean,
  ) {
    const { words } = target;
    this.root = element("div", { class: "side", role: "region", "aria-label": words.map });
    this.root.append(this.maps(), this.mapGroup(), this.filmGroup());
    this.refresh();
  }

  /** Show the settings as they are. */
  refresh(): void {
    for (const refresh of this.refreshers) refresh();
  }

  private maps(): HTMLElement {
    const { words, change } = this.target;
    const items: MapData[] = [...this.data.maps];
    const list = mapList(items, words, (id) => change({ map: id }));
    this.refreshers.push(() => list.select(this.target.settings().map));
    const group = this.group(words.maps, list.root);
    if (items.length > 1) group.append(this.compare());
    return group;
  }

  private compare(): HTMLElement {
    const { words, change, settings } = this.target;
    const names: Record<Mode, string> = {
      one: words.one,
      side: words.side,
      difference: words.difference,
    };
    const modes = MODES.map((mode) => [mode, names[mode]] as const);
    const mode = this.select(words.compare, modes, () => settings().mode, (value) =>
      change({ mode: value as Mode }),
    );
    const titles = this.data.maps.map((map) => [map.id, `${map.target} · ${map.method}`] as const);
    const second = this.select(words.second, titles, () => settings().second, (value) =>
      change({ second: value }),
    );
    this.refreshers.push(() => {
      second.hidden = settings().mode === "one";
    });
    return element("div", {}, mode, second);
  }

  private mapGroup(): HTMLElement {
    const { words, change, settings } = this.target;
    const checks = element("div", { class: "row checks" });
    const toggles = [
      ["shown", words.map],
      ["contour", words.contour],
      ["boxes", words.boxes],
      ["truth", words.truth],
    ] as const;
    for (const [name, text] of toggles) {
      if (name === "truth" && !hasTruth(this.data)) continue;
      if (name === "boxes" && this.data.volume !== undefined) continue;
      const toggle = button(text, text, false, () => change({ [name]: !settings()[name] }));
      this.refreshers.push(() => toggle.setAttribute("aria-pressed", String(settings()[name])));
      checks.append(toggle);
    }
    return this.group(
      words.map,
      checks,
      this.slider(words.opacity, "opacity", 0.1, 1, 0.05),
      this.slider(words.threshold, "threshold", 0, 0.95, 0.01),
      this.slider(words.level, "level", 0.05, 0.95, 0.01),
      this.colours(),
      this.scale(),
    );
  }

  private colours(): HTMLElement {
    const { words, change, settings } = this.target;
    const kind = this.signed ? "diverging" : "sequential";
    const names = paletteNames(this.signed).map((name) => [name, name] as const);
    return this.select(words.colormap, names, () => settings()[kind], (value) =>
      change({ [kind]: value }),
    );
  }

  private scale(): HTMLElement {
    const { words, change, settings } = this.target;
    const names: Record<Scale, string> = {
      own: words.scale_own,
      shared: words.scale_shared,
      fixed: words.scale_fixed,
    };
    const scales = SCALES.map((scale) => [scale, names[scale]] as const);
    const scale = this.select(words.scale, scales, () => settings().scale, (value) =>
      change({ scale: value as Scale }),
    );
    const id = freshId();
    const input = element("input", { type: "number", id, class: "wide", step: "any", min: 0 });
    input.addEventListener("change", () => {
      const limit = Number(input.value);
      if (limit > 0) change({ limit });
    });
    const fixed = element("div", { class: "row" }, element("label", { for: id }, words.limit), input);
    this.refreshers.push(() => {
      fixed.hidden = settings().scale !== "fixed";
      input.value = String(Number(settings().limit.toPrecision(4)));
    });
    return element("div", {}, scale, fixed);
  }

  private filmGroup(): HTMLElement {
    const { words, change, settings, reset } = this.target;
    const units = new Units(this.data.film);
    const window = (): { level: number; width: number } => units.window(settings());
    const text = (value: number): string => units.text(value);
    const level = this.range(words.window_level, units.least, units.most, units.grain, {
      get: () => window().level,
      set: (value) => change(units.samples({ ...window(), level: value })),
      text,
    });
    const width = this.range(words.window_width, units.narrowest, units.widest, units.grain, {
      get: () => window().width,
      set: (value) => change(units.samples({ ...window(), width: value })),
      text,
    });
    for (const each of [level, width]) each.classList.add("values");
    const invert = button(words.invert, words.invert, false, () =>
      change({ invert: !settings().invert }),
    );
    this.refreshers.push(() => invert.setAttribute("aria-pressed", String(settings().invert)));
    const buttons = element("div", { class: "row checks" }, invert);
    buttons.append(button(words.reset, words.reset, null, reset));
    return this.group(words.film, level, width, buttons);
  }

  private group(title: string, ...children: Node[]): HTMLElement {
    return element("fieldset", {}, element("legend", {}, title), ...children);
  }

  private slider(
    label: string,
    name: "opacity" | "threshold" | "level",
    low: number,
    high: number,
    step: number,
  ): HTMLElement {
    const { change, settings } = this.target;
    return this.range(label, low, high, step, {
      get: () => settings()[name],
      set: (value) => change({ [name]: value }),
      text: (value) => percent(value),
    });
  }

  private range(
    label: string,
    low: number,
    high: number,
    step: number,
    value: { get: () => number; set: (value: number) => void; text: (value: number) => string },
  ): HTMLElement {
    const id = freshId();
    const input = element("input", { type: "range", id, min: low, max: high, step });
    const output = element("output", { for: id });
    input.addEventListener("input", () => value.set(Number(input.value)));
    this.refreshers.push(() => {
      input.value = String(value.get());
      output.value = value.text(value.get());
      input.setAttribute("aria-valuetext", output.value);
    });
    return element("div", { class: "row" }, element("label", { for: id }, label), input, output);
  }

  private select(
    label: string,
    options: readonly (readonly [string, string])[],
    get: () => string,
    set: (value: string) => void,
  ): HTMLElement {
    const id = freshId();
    const made = element("select", { id });
    made.append(...options.map(([value, text]) => element("option", { value }, text)));
    made.addEventListener("change", () => set(made.value));
    this.refreshers.push(() => {
      made.value = get();
    });
    const row = element("div", { class: "row" }, element("label", { for: id }, label), made);
    return row;
  }
}
