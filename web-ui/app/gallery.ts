/** A grid of cases of which only those on the screen exist, by keyboard and mouse. */

import { element } from "../viewer/dom.js";
import { probabilityText } from "../viewer/words.js";

export type Case = Readonly<Record<string, string | number | boolean | null>> & {
  readonly case_id: number;
};

export interface Pages {
  page(start: number, count: number): Promise<{ cases: Case[]; total: number }>;
  picture(id: number): string;
  open(id: number): void;
  /** A further value of a case, such as what the cases are sorted by; "" for none. */
  value(row: Case): string;
  counted(total: number): void;
  failed(error: unknown): void;
}

/** Pixels of the screen; the width is the least, for what a row has over is shared among its cells. */
const CELL = { width: 180, height: 262 };
const PAGE = 60;
/** Rows beyond the screen that are drawn too. */
const BEYOND = 2;

/** Milliseconds after which a gallery that was scrolled counts as at rest. */
const REST = 150;

/** The place of a case on the screen; one that scrolls out of it takes the next case. */
class Cell {
  readonly root = element("div", { class: "item", role: "listitem" });
  readonly button: HTMLButtonElement;
  index = 0;
  id = 0;
  private readonly picture = element("img", { alt: "", decoding: "async" });
  private readonly name = element("span", { class: "name" });
  private readonly prediction = element("span");
  private readonly value = element("span", { class: "value" });
  private place = "";

  constructor() {
    this.button = element("button", { type: "button", class: "cell" }, this.picture, this.name, this.prediction, this.value);
    this.root.append(this.button);
    for (const end of ["load", "error"]) this.picture.addEventListener(end, () => (this.picture.className = ""));
  }

  show(index: number, total: number, row: Case, pages: Pages): void {
    this.index = index;
    this.id = row.case_id;
    const outcome = row["outcome"] ? String(row["outcome"]) : "";
    const synthetic = row["synthetic"] ? "SYNTHETIC" : "";
    const probability = row["probability"];
    const value = typeof probability === "number" ? probabilityText(probability) : "";
    const empty = row["empty_reason"] ? "no evidence" : ""; // its picture is that of the film alone
    const further = pages.value(row);
    this.picture.className = "loading";
    this.picture.src = pages.picture(row.case_id);
    this.name.textContent = caseName(row);
    this.prediction.className = `value ${outcome}`;
    this.prediction.textContent = [outcome, value, empty, synthetic].filter(Boolean).join(" · ");
    this.value.textContent = further;
    this.button.setAttribute("aria-label", `${caseName(row)}, ${outcome} ${value} ${empty} ${further}`);
    this.root.setAttribute("aria-posinset", String(index + 1));
    this.root.setAttribute("aria-setsize", String(total));
    this.button.dataset["case"] = String(row.case_id);
    this.root.hidden = false;
  }

  lay(x: number, y: number): void {
    const place = `translate(${x}px, ${y}px)`;
    if (place === this.place) return;
    this.place = place;
    this.root.style.transform = place;
  }

  /** The picture of the case is no longer waited for: the browser has few connections. */
  leave(): void {
    this.picture.removeAttribute("src");
    this.picture.className = "";
    delete this.button.dataset["case"];
    this.root.hidden = true;
  }
}

export class Gallery {
  readonly root = element("div", { class: "gallery", tabindex: -1 });
  private readonly space = element("div", { class: "space", role: "list", "aria-label": "Cases" });
  private readonly rows = new Map<number, Case>();
  private readonly loading = new Set<number>();
  private readonly cells = new Map<number, Cell>();
  /** Cells that left the screen, for cases that come. */
  private readonly spare: Cell[] = [];
  private readonly observer = new ResizeObserver(() => this.draw());
  private total = 0;
  private current = 0;
  private version = 0;
  private scrolled = 0;
  private rest = 0;
  /** Whether the current case takes the focus as soon as it is there. */
  private following = false;

  constructor(private readonly pages: Pages) {
    this.root.append(this.space);
    this.root.addEventListener("scroll", () => {
      this.scrolled = this.root.scrollTop;
      this.draw();
    });
    this.space.addEventListener("keydown", (event) => this.onKey(event));
    this.observer.observe(this.root);
  }

  /** Other cases, or another order. */
  reset(): void {
    this.version += 1;
    this.rows.clear();
    this.loading.clear();
    this.clearCells();
    this.total = 0;
    this.current = 0;
    this.root.scrollTop = 0;
    this.scrolled = 0;
    void this.load(0);
  }

  /** The gallery is on the page again, where it was left. */
  shown(): void {
    this.root.scrollTop = this.scrolled;
    this.draw();
  }

  focus(): void {
    this.following = true;
    this.draw();
  }

  stop(): void {
    clearTimeout(this.rest);
    this.observer.disconnect();
  }

  private get columns(): number {
    return Math.max(1, Math.floor(this.root.clientWidth / CELL.width));
  }

  private async load(page: number): Promise<void> {
    if (this.loading.has(page)) return;
    this.loading.add(page);
    const version = this.version;
    try {
      const { cases, total } = await this.pages.page(page * PAGE, PAGE);
      if (version !== this.version) return;
      cases.forEach((row, i) => this.rows.set(page * PAGE + i, row));
      this.total = total;
      this.pages.counted(total);
      this.draw();
    } catch (error) {
      this.loading.delete(page);
      if (version === this.version) this.pages.failed(error);
    }
  }

  private clearCells(): void {
    this.following ||= this.cells.get(this.current)?.button === document.activeElement;
    for (const cell of this.cells.values()) cell.leave();
    this.space.replaceChildren(); // what is made again stands in the order of the cases
    this.cells.clear();
    this.spare.length = 0;
  }

  private draw(): void {
    // All that is measured comes before the first change, or each would lay out the page again.
    const { columns } = this;
    const { clientWidth, clientHeight, scrollTop } = this.root;
    const width = Math.floor(clientWidth / columns);
    this.space.style.setProperty("--cell", `${width}px`);
    this.space.style.height = `${Math.ceil(this.total / columns) * CELL.height}px`;
    const first = Math.max(0, Math.floor(scrollTop / CELL.height) - BEYOND) * columns;
    const last = Math.min(this.total, (Math.ceil((scrollTop + clientHeight) / CELL.height) + BEYOND) * columns);
    for (const [index, cell] of this.cells) {
      if (index >= first && index < last) continue;
      cell.leave();
      this.spare.push(cell);
      this.cells.delete(index);
    }
    for (let index = first; index < last; index += 1) {
      const row = this.rows.get(index);
      if (row === undefined) void this.load(Math.floor(index / PAGE));
      else this.place(index, row, columns, width);
    }
    clearTimeout(this.rest);
    this.rest = window.setTimeout(() => this.order(), REST);
    const current = this.cells.get(this.current);
    if (!this.following || current === undefined) return;
    this.following = false;
    current.button.focus({ preventScroll: true });
  }

  private place(index: number, row: Case, columns: number, width: number): void {
    let cell = this.cells.get(index);
    if (cell === undefined) {
      cell = this.spare.shift() ?? this.made();
      cell.show(index, this.total, row, this.pages);
      this.cells.set(index, cell);
    }
    cell.lay((index % columns) * width, Math.floor(index / columns) * CELL.height);
    cell.button.tabIndex = index === this.current ? 0 : -1;
  }

  /** The cells in the order of their cases, in which they are read out; not while they move. */
  private order(): void {
    const sorted = [...this.cells.values()].sort((a, b) => a.index - b.index).map((cell) => cell.root);
    if (sorted.every((root, i) => i === 0 || follows(sorted[i - 1]!, root))) return;
    const focused = sorted.findIndex((root) => root.contains(document.activeElement));
    // Whoever is moved loses the focus, so that the others are moved around it.
    const before = focused < 0 ? null : sorted[focused]!;
    for (const [i, root] of sorted.entries()) {
      if (i !== focused) this.space.insertBefore(root, i < focused ? before : null);
    }
  }

  private made(): Cell {
    const cell = new Cell();
    cell.button.addEventListener("click", () => {
      this.current = cell.index;
      this.pages.open(cell.id);
    });
    cell.button.addEventListener("focus", () => (this.current = cell.index));
    this.space.append(cell.root);
    return cell;
  }

  private onKey(event: KeyboardEvent): void {
    const { columns } = this;
    const page = Math.max(1, Math.floor(this.root.clientHeight / CELL.height)) * columns;
    const steps: Readonly<Record<string, number>> = {
      ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns,
      PageDown: page, PageUp: -page, Home: -this.total, End: this.total,
    };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    this.current = Math.min(Math.max(this.current + step, 0), this.total - 1);
    const top = Math.floor(this.current / columns) * CELL.height;
    const { clientHeight, scrollTop } = this.root;
    if (top < scrollTop) this.root.scrollTop = top;
    if (top + CELL.height > scrollTop + clientHeight) this.root.scrollTop = top + CELL.height - clientHeight;
    this.focus();
  }
}

function follows(one: Node, other: Node): boolean {
  return (one.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING) !== 0;
}

/** What a case is called. */
export function caseName(row: Case): string {
  return `${String(row["image"])}: ${String(row["target"] ?? row["label"])}`;
}
