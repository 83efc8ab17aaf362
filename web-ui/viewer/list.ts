/** A list of which one entry is chosen, by mouse and by keys. */

import type { MapData } from "./data.js";
import { element } from "./dom.js";
import { type Words, filled, number, probabilityText } from "./words.js";

export interface Entry {
  readonly id: string;
  readonly title: string;
  readonly value?: string;
  readonly note: string;
  readonly warning?: boolean;
}

export class ChoiceList {
  readonly root: HTMLUListElement;
  private readonly options = new Map<string, HTMLLIElement>();
  private selected = "";

  constructor(
    label: string,
    entries: readonly Entry[],
    private readonly choose: (id: string) => void,
  ) {
    this.root = element("ul", { class: "list", role: "listbox", "aria-label": label });
    for (const entry of entries) this.add(entry);
    this.root.addEventListener("keydown", (event) => this.onKey(event));
  }

  private add(entry: Entry): void {
    const title = element("b", {}, entry.title);
    if (entry.value !== undefined) title.append(element("span", {}, entry.value));
    const note = element("small", entry.warning ? { class: "warn" } : {}, entry.note);
    const attributes = { role: "option", "aria-selected": "false", tabindex: -1 };
    const option = element("li", attributes, title, note);
    option.addEventListener("click", () => this.choose(entry.id));
    this.options.set(entry.id, option);
    this.root.append(option);
    if (this.options.size === 1) option.tabIndex = 0;
  }

  select(id: string): void {
    if (id === this.selected) return;
    for (const [other, option] of this.options) {
      option.setAttribute("aria-selected", String(other === id));
      option.tabIndex = other === id ? 0 : -1;
    }
    const chosen = this.options.get(id);
    const list = this.root;
    if (chosen !== undefined && list.clientHeight > 0) {
      const below = chosen.offsetTop + chosen.offsetHeight - list.offsetTop - list.clientHeight;
      const above = chosen.offsetTop - list.offsetTop;
      if (list.scrollTop < below) list.scrollTop = below;
      if (list.scrollTop > above) list.scrollTop = above;
      if (list.contains((list.getRootNode() as ShadowRoot).activeElement)) chosen.focus();
    }
    this.selected = id;
  }

  /** Show the entries that a text is part of. */
  filter(text: string): void {
    const wanted = text.trim().toLowerCase();
    for (const option of this.options.values()) {
      const matches = (option.textContent ?? "").toLowerCase().includes(wanted);
      option.style.display = matches ? "" : "none";
    }
  }

  private onKey(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.move(step);
  }

  /** Choose the next or the previous entry among those that are shown. */
  move(step: number): void {
    const shown = [...this.options].filter(([, option]) => option.style.display !== "none");
    const at = shown.findIndex(([id]) => id === this.selected);
    const next = shown[Math.min(Math.max(at + step, 0), shown.length - 1)];
    if (next !== undefined && next[0] !== this.selected) this.choose(next[0]);
  }
}

/** The maps of an image. */
export function mapList(
  maps: readonly MapData[],
  words: Words,
  choose: (id: string) => void,
): ChoiceList {
  const film = { id: "", title: words.film_alone, note: "" };
  const entries = maps.map((map) => entryOf(map, words));
  return new ChoiceList(words.maps, [...entries, film], choose);
}

function entryOf(map: MapData, words: Words): Entry {
  const method = filled(words.method, { method: map.method, layer: map.layer });
  const value =
    map.probability === null
      ? map.score === null ? "" : number(map.score)
      : probabilityText(map.probability);
  if (map.empty !== null) {
    return { id: map.id, title: map.target, value, note: `${method} · ${map.empty}`, warning: true };
  }
  return { id: map.id, title: map.target, value, note: method };
}
