/** Several images: a list on the left, the viewer beside it. */

import type { ViewerData } from "./data.js";
import { element } from "./dom.js";
import { ChoiceList } from "./list.js";
import { Viewer, type ViewerOptions } from "./viewer.js";
import { ENGLISH } from "./words.js";

/** An image of a page: its data, or the script beside the page that has them. */
export interface Case {
  readonly id: string;
  readonly title: string;
  readonly note: string;
  readonly data?: ViewerData;
  /** A script relative to the page; it calls `camlucidaViewer.deliver(id, data)`. */
  readonly script?: string;
}

const delivered = new Map<string, (data: ViewerData) => void>();

/** What the script of an image calls: pages that are opened from a folder cannot fetch a file. */
export function deliver(id: string, data: ViewerData): void {
  delivered.get(id)?.(data);
  delivered.delete(id);
}

/** Images whose data stay in memory. */
const KEPT = 4;

export class Gallery {
  readonly root: HTMLDivElement;
  readonly viewer: Viewer;
  private readonly list: ChoiceList;
  private readonly kept = new Map<string, ViewerData>();
  private current = "";

  constructor(
    private readonly cases: readonly Case[],
    options: ViewerOptions = {},
  ) {
    const words = options.words ?? ENGLISH;
    this.viewer = new Viewer({ ...options, onImage: (step) => this.list.move(step) });
    this.list = new ChoiceList(words.images, cases, (id) => void this.show(id));
    const head = element("h2", { class: "head" }, words.images);
    head.append(element("span", {}, String(cases.length)));
    const filter = element("input", { type: "search", "aria-label": words.filter, placeholder: words.filter });
    filter.addEventListener("input", () => this.list.filter(filter.value));
    const nav = element("nav", { "aria-label": words.images }, head, filter, this.list.root);
    const single = cases.length > 1 ? "" : " single";
    const main = element("div", { class: "main" }, this.viewer.root);
    main.style.minHeight = "0";
    main.style.minWidth = "0";
    this.root = element("div", { class: `gallery${single}` }, nav, main);
    const [first] = cases;
    if (first !== undefined) void this.show(first.id);
  }

  dispose(): void {
    this.viewer.dispose();
    this.root.remove();
  }

  async show(id: string): Promise<void> {
    const entry = this.cases.find((each) => each.id === id);
    if (entry === undefined) return;
    this.current = id;
    this.list.select(id);
    const data = await this.load(entry);
    if (this.current === id && data !== null) await this.viewer.show(data);
  }

  private async load(entry: Case): Promise<ViewerData | null> {
    if (entry.data !== undefined) return entry.data;
    const kept = this.kept.get(entry.id);
    if (kept !== undefined) return kept;
    const data = await loaded(entry);
    if (data === null) return this.viewer.fail(entry.script ?? entry.id);
    if (this.kept.size >= KEPT) this.kept.delete([...this.kept.keys()][0]!);
    this.kept.set(entry.id, data);
    return data;
  }
}

function loaded(entry: Case): Promise<ViewerData | null> {
  return new Promise((resolve) => {
    const script = element("script", { src: entry.script ?? "" });
    delivered.set(entry.id, resolve);
    const end = (): void => {
      script.remove();
      delivered.delete(entry.id);
      resolve(null); // of no effect where the data came
    };
    script.addEventListener("load", end);
    script.addEventListener("error", end);
    document.head.append(script);
  });
}
