/** A grid of cases of which only those on the screen exist, by keyboard and mouse. */

import { element } from "../viewer/dom.js";
import { probabilityText } from "./parts.js";

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

const CELL = { width: 204, height: 262 };
const PAGE = 60;
/** Rows beyond the screen that are drawn too. */
const BEYOND = 2;

export class Gallery {
  readonly root = element("div", { class: "gallery", tabindex: -1 });
  private readonly space = element("div", { class: "space", role: "group", "aria-label": "Cases" });
  private readonly rows = new Map<number, Case>();
  private readonly loading = new Set<number>();
  private readonly cells = new Map<number, HTMLElement>();
  private readonly observer = new ResizeObserver(() => this.draw());
  private total = 0;
  private current = 0;
  private version = 0;
  private scrolled = 0;
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
      this.clearCells();
      this.draw();
    } catch (error) {
      this.loading.delete(page);
      if (version === this.version) this.pages.failed(error);
    }
  }

  private clearCells(): void {
    this.following ||= this.cells.get(this.current) === document.activeElement;
    for (const cell of this.cells.values()) this.discard(cell);
    this.cells.clear();
  }

  /** A picture that is no longer wanted is not waited for: the browser has few connections. */
  private discard(cell: HTMLElement): void {
    const picture = cell.querySelector("img");
    if (picture !== null && !picture.complete) picture.removeAttribute("src");
    cell.remove();
  }

  private draw(): void {
    const { columns } = this;
    const { clientHeight, scrollTop } = this.root;
    this.space.style.height = `${Math.ceil(this.total / columns) * CELL.height}px`;
    const first = Math.max(0, Math.floor(scrollTop / CELL.height) - BEYOND) * columns;
    const last = Math.min(this.total, (Math.ceil((scrollTop + clientHeight) / CELL.height) + BEYOND) * columns);
    for (const [index, cell] of this.cells) {
      if (index >= first && index < last) continue;
      this.discard(cell);
      this.cells.delete(index);
    }
    for (let index = first; index < last; index += 1) {
      const row = this.rows.get(index);
      if (row === undefined) void this.load(Math.floor(index / PAGE));
      else this.place(index, row, columns);
    }
    const current = this.cells.get(this.current);
    if (!this.following || current === undefined) return;
    this.following = false;
    current.focus({ preventScroll: true });
  }

  private place(index: number, row: Case, columns: number): void {
    const cell = this.cells.get(index) ?? this.made(index, row);
    const x = (index % columns) * CELL.width;
    const y = Math.floor(index / columns) * CELL.height;
    cell.style.transform = `translate(${x}px, ${y}px)`;
    cell.tabIndex = index === this.current ? 0 : -1;
  }

  private made(index: number, row: Case): HTMLElement {
    const picture = element("img", { src: this.pages.picture(row.case_id), alt: "", loading: "lazy" });
    const outcome = row["outcome"] ? String(row["outcome"]) : "";
    const synthetic = row["synthetic"] ? "SYNTHETIC" : "";
    const probability = row["probability"];
    const value = typeof probability === "number" ? probabilityText(probability) : "";
    const cell = element(
      "button",
      { type: "button", class: "cell", "aria-label": `${caseName(row)}, ${outcome} ${value} ${this.pages.value(row)}`, "data-case": row.case_id },
      picture,
      element("span", { class: "name" }, caseName(row)),
      element("span", { class: `value ${outcome}` }, [outcome, value, synthetic].filter(Boolean).join(" · ")),
      element("span", { class: "value" }, this.pages.value(row)),
    );
    cell.addEventListener("click", () => {
      this.current = index;
      this.pages.open(row.case_id);
    });
    cell.addEventListener("focus", () => (this.current = index));
    this.cells.set(index, cell);
    this.space.append(cell);
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

/** What a case is called. */
export function caseName(row: Case): string {
  return `${String(row["image"])}: ${String(row["target"] ?? row["label"])}`;
}
