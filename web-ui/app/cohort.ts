/** Cohort: every case of a run in a gallery that draws what is on the screen, and one case. */

import { button, element } from "../viewer/dom.js";
import { mountViewer } from "../viewer/mount.js";
import type { Viewer } from "../viewer/viewer.js";
import { number, probabilityText } from "../viewer/words.js";
import { type Named, type ShownFilm, get } from "./api.js";
import { type Case, Gallery, type Pages, caseName } from "./gallery.js";
import { Choice, MISMATCH, SYNTHETIC_FILMS, SYNTHETIC_MODEL, Status, section } from "./parts.js";
import { Plot, type Points } from "./plot.js";
import { ZipChoice, saveFile } from "./save.js";
import { RangeFilter } from "./range_filter.js";
import { type AnyMap, type Truth, viewerData } from "./shown.js";

interface Column {
  readonly name: string;
  readonly title: string;
  /** In one sentence; "" where the title says it. */
  readonly meaning: string;
  readonly kind: "number" | "text";
  readonly values?: readonly string[];
  /** Of numbers: the smallest and the largest. */
  readonly range?: readonly [number | null, number | null];
}

interface RunAbout extends Named {
  readonly cases: number;
  readonly columns: readonly Column[];
  /** As of `OneCase`. */
  readonly mismatch: boolean;
}

export interface Measurement {
  readonly title: string;
  readonly output: string | null;
  readonly value: number | null;
  readonly chance?: number | null;
  readonly ceiling?: number | null;
  readonly verdict?: string;
  readonly meaning: string;
  /** Why there is no value; "" where there is one. */
  readonly missing: string;
  /** Whether it stands first. */
  readonly main: boolean;
}

export interface OneCase {
  readonly case: Case & { readonly trust: readonly Measurement[] };
  readonly film: string;
  /** Whether the film is a volume. */
  readonly volume: boolean;
  readonly maps: readonly AnyMap[];
  /** What was annotated of the label. */
  readonly truth: Truth;
  /** By which the model is offered; null where the server was started with others. */
  readonly model: string | null;
  /** Whether the model was trained on synthetic films alone. */
  readonly synthetic_model: boolean;
  /** Whether the model is not that of the predictions which its training stored. */
  readonly mismatch: boolean;
}

/** Columns that are offered as filters, in this order, where they have two values or more. */
const FILTERS = ["outcome", "label", "method", "layer", "model", "split", "predicted", "true_class"];
/** Beginnings of columns that are offered so, too, wherever they were measured. */
const MEASURED_TEXTS = ["group_", "verdict_"];
/** Columns with numbers that are offered as filters, from and to; the others are in the plot. */
const RANGES = ["probability", "artefact_share", "agreement_", "metric_border_share", "metric_text_share", "metric_outside_body_share", "metric_view_agreement"];

export class CohortPage {
  readonly root: HTMLElement;
  private readonly status = new Status();
  private readonly count = element("p", { class: "quiet", role: "status" });
  private readonly run = new Choice("Run", () => void this.openRun());
  private readonly sort = new Choice("Sort by", () => this.sorted());
  private readonly meaning = element("p", { class: "quiet" });
  private readonly order = new Choice("Order", () => this.gallery.reset());
  private readonly mark = element("p", { class: "notice", role: "alert" });
  private readonly saving = element("div");
  private readonly zip = new ZipChoice();
  private readonly filters = element("div", { class: "filters" });
  private readonly gallery: Gallery;
  private readonly plot: Plot;
  private readonly content = element("div", { class: "stage" });
  private readonly side = element("div", { class: "panel" });
  private readonly choices = new Map<string, Choice>();
  private ranges: readonly RangeFilter[] = [];
  private columns: readonly Column[] = [];
  private viewer: Viewer | null = null;
  private readonly onKey = (event: KeyboardEvent): void => {
    if (event.key === "Escape" && this.viewer !== null && !event.defaultPrevented) this.back();
  };

  constructor() {
    const pages: Pages = {
      page: (start, count) => get(`runs/${this.run.value}/cases?${this.query()}&cursor=${start}&limit=${count}`),
      picture: (id) => `/api/runs/${this.run.value}/cases/${id}/thumbnail.png`,
      open: (id) => void this.openCase(id),
      value: (row) => this.sortedValue(row),
      counted: (total) => (this.count.textContent = `${total.toLocaleString("en")} ${total === 1 ? "case" : "cases"}`),
      failed: (error) => this.status.fail(error),
    };
    this.gallery = new Gallery(pages);
    this.plot = new Plot({
      points: (x, y) => get<Points>(`runs/${this.run.value}/points?${this.pointsQuery(x, y)}`),
      chosen: () => this.gallery.reset(),
      failed: (error) => this.status.fail(error),
    });
    this.order.fill([["false", "smallest first"], ["true", "largest first"]]);
    this.root = element("div", { class: "explain" }, this.side, this.content);
    document.addEventListener("keydown", this.onKey);
  }

  async start(): Promise<void> {
    try {
      const runs = await get<Named[]>("runs");
      this.run.fill(runs.map(({ id }) => [id, id]));
      await this.openRun();
    } catch (error) {
      this.status.fail(error);
    }
  }

  stop(): void {
    document.removeEventListener("keydown", this.onKey);
    this.viewer?.dispose();
    this.gallery.stop();
  }

  private async openRun(): Promise<void> {
    this.status.say("Reading the run…");
    const about = await get<RunAbout>(`runs/${this.run.value}`);
    this.status.say("");
    const names: [string, string][] = about.columns.map(({ name, title }) => [name, title]);
    this.sort.fill([["case_id", "order of the run"], ...names]);
    this.columns = about.columns;
    this.mark.textContent = about.mismatch ? `${MISMATCH}: its maps are not to be used.` : "";
    this.mark.hidden = !about.mismatch;
    this.fillFilters(about.columns);
    this.fillPlot(about.columns);
    this.showMeaning();
    this.showGallery();
    this.refresh();
  }

  private sorted(): void {
    this.showMeaning();
    this.gallery.reset();
  }

  private get sortColumn(): Column | undefined {
    return this.columns.find(({ name }) => name === this.sort.value);
  }

  private showMeaning(): void {
    this.meaning.textContent = this.sortColumn?.meaning ?? "";
    this.meaning.hidden = this.meaning.textContent === "";
  }

  /** What the cases are sorted by, unless each shows it anyway; else the method, where there are several. */
  private sortedValue(row: Case): string {
    const column = this.sortColumn;
    if (column?.kind !== "number" || column.name === "probability") {
      return this.choices.has("method") ? String(row["method"] ?? "") : "";
    }
    const value = row[column.name];
    return `${column.title} ${typeof value === "number" ? number(value) : "–"}`;
  }

  private fillFilters(columns: readonly Column[]): void {
    this.choices.clear();
    const listed = columns.filter(({ name, values }) => {
      const offered = FILTERS.includes(name) || MEASURED_TEXTS.some((start) => name.startsWith(start));
      return offered && (values?.length ?? 0) > 1;
    });
    for (const { name, title, meaning, values } of listed) {
      const choice = new Choice(title.replace("group_", ""), () => this.refresh());
      choice.fill([["", "all"], ...values!.map((value): [string, string] => [value, value])]);
      choice.root.title = meaning;
      this.choices.set(name, choice);
    }
    const measured = columns.filter(({ name, kind, range }) =>
      kind === "number" && range?.[0] !== range?.[1] && RANGES.some((start) => name.startsWith(start)));
    this.ranges = measured.map((column) => new RangeFilter(column, () => this.refresh()));
    const roots = [...this.choices.values(), ...this.ranges].map(({ root }) => root);
    this.filters.replaceChildren(...roots);
  }

  /** A metric against the probability, where there are both. */
  private fillPlot(columns: readonly Column[]): void {
    const numbers = columns.filter(({ kind }) => kind === "number");
    const names = numbers.map(({ name }) => name);
    const metric = names.find((name) => name.startsWith("metric_")) ?? "";
    const x = names.includes("probability") ? "probability" : (names[0] ?? "");
    this.plot.fill(numbers.map(({ name, title }): [string, string] => [name, title]), x, metric);
  }

  private query(): string {
    const query = new URLSearchParams({ sort: this.sort.value, descending: this.order.value });
    for (const condition of [...this.conditions(), ...this.plot.conditions]) query.append("where", condition);
    return query.toString();
  }

  private pointsQuery(x: string, y: string): string {
    const query = new URLSearchParams(y === "" ? { x } : { x, y });
    for (const condition of this.conditions()) query.append("where", condition);
    return query.toString();
  }

  /** What the filters ask of a case. */
  private conditions(): string[] {
    const chosen = [...this.choices].filter(([, choice]) => choice.value !== "");
    const texts = chosen.map(([name, choice]) => `${name}=${choice.value}`);
    return [...texts, ...this.ranges.flatMap(({ conditions }) => conditions)];
  }

  private refresh(): void {
    this.gallery.reset();
    void this.plot.refresh();
  }

  private showGallery(): void {
    this.viewer?.dispose();
    this.viewer = null;
    this.side.replaceChildren(
      section("Cases", this.run.root, this.mark, this.sort.root, this.order.root, this.meaning, this.count),
      section("Filter", this.filters),
      section("Take with you", this.saveButtons(), this.zip.root, this.saving),
      section("Plot", element("p", { class: "quiet" }, "Drag or click in the plot, or type a range: the gallery shows these cases."), this.plot.root),
    );
    this.content.replaceChildren(this.gallery.root, this.status.root);
    this.gallery.shown();
  }

  /** What the filters and the plot leave, as files; and the report of the whole run. */
  private saveButtons(): HTMLElement {
    const maps = button("Maps as ZIP", "Save pictures, raw maps and rows of these cases, the first 200, as a ZIP file", null, () =>
      void saveFile(this.mapsJob(), "Writing the ZIP file", this.saving, this.status));
    const table = button("Table as CSV", "Save the rows of these cases as a table", null, () => {
      element("a", { href: `/api/runs/${this.run.value}/cases.csv?${this.query()}`, download: "cases.csv" }).click();
    });
    const report = button("Report", "Write the report of the whole run, and save it as one page", null, () =>
      void saveFile({ kind: "report", run: this.run.value }, "Writing the report", this.saving, this.status));
    return element("div", { class: "buttons" }, maps, table, report);
  }

  private mapsJob(): object {
    const where = [...this.conditions(), ...this.plot.conditions];
    const order = { sort: this.sort.value, descending: this.order.value === "true" };
    return { kind: "cases", run: this.run.value, where, ...order, write: this.zip.write };
  }

  private back(): void {
    this.showGallery();
    this.gallery.focus();
  }

  private async openCase(id: number): Promise<void> {
    this.status.say("Opening the case…");
    try {
      const one = await get<OneCase>(`runs/${this.run.value}/cases/${id}`);
      const film = await filmOf(one);
      this.status.say("");
      this.showCase(one, film);
    } catch (error) {
      this.status.fail(error);
    }
  }

  private showCase(one: OneCase, film: ShownFilm): void {
    const host = element("div", { class: "host" });
    const back = button("← Cases", "Back to the cases (Escape)", null, () => this.back());
    const wanted = new URLSearchParams({ film: one.film, ...(one.model === null ? {} : { model: one.model }) });
    const ask = element("a", { href: `#/explain?${wanted.toString()}` }, one.volume ? "Explain this volume" : "Explain this film, ask the model");
    const picture = button("Save as PNG", "Save the map as an annotated picture (PNG)", null, () => {
      element("a", { href: `/api/runs/${this.run.value}/cases/${one.case.case_id}/figure.png`, download: true }).click();
    });
    this.side.replaceChildren(
      element("section", { class: "buttons" }, back, picture, ask),
      section(caseName(one.case), ...origins(one, film), facts(one.case)),
      section("Can it be trusted?", ...trust(one.case.trust)),
    );
    this.content.replaceChildren(host, this.status.root);
    const notice = one.mismatch ? `${MISMATCH} · Research use only` : "Research use only";
    this.viewer = mountViewer(host, viewerData(film, one.maps, notice, one.truth));
    back.focus();
  }
}

/** The film of a case, or its volume. */
function filmOf(one: OneCase): Promise<ShownFilm> {
  return get<ShownFilm>(`films/${one.film}?volume=${one.volume}`);
}

const FACTS = [
  "label", "outcome", "truth", "predicted", "true_class", "probability", "score", "value", "error",
  "method", "layer", "model", "patient", "split", "empty_reason",
];

/** What the film and the model are made of, where a reader has to know. */
function origins(one: OneCase, film: ShownFilm): HTMLElement[] {
  const notices: string[] = [];
  if (one.mismatch) notices.push(`${MISMATCH}: its maps are not to be used.`);
  if (film.synthetic) notices.push("SYNTHETIC film: it was drawn, and is of no patient.");
  if (one.synthetic_model) notices.push(film.synthetic ? SYNTHETIC_FILMS : SYNTHETIC_MODEL);
  return notices.map((text) => element("p", { class: "notice" }, text));
}

function facts(row: Case): HTMLElement {
  const list = element("dl", {});
  for (const name of FACTS) {
    const value = row[name];
    if (value === null || value === undefined || value === "") continue;
    const short = name === "probability" ? probabilityText : number;
    const text = typeof value === "number" ? short(value) : String(value);
    list.append(element("dt", {}, name.replace("_", " ")), element("dd", {}, text));
  }
  return list;
}

/** What was measured of a map, each with its meaning, and why a number is missing. */
export function trust(measurements: readonly Measurement[]): HTMLElement[] {
  const others = lines(measurements.filter(({ main }) => !main));
  const summary = element("summary", {}, others.length === 1 ? "1 more measurement" : `${others.length} more measurements`);
  const more = others.length === 0 ? [] : [element("details", {}, summary, ...others)];
  return [...lines(measurements.filter(({ main }) => main)), ...more];
}

function lines(measurements: readonly Measurement[]): HTMLElement[] {
  return measurements.map((each) => {
    const figure = each.value === null ? "" : number(each.value);
    const value = [each.verdict, figure].filter(Boolean).join(" · ") || "–";
    const chance = each.chance === null || each.chance === undefined ? "" : `, chance ${number(each.chance)}`;
    const ceiling = each.ceiling === null || each.ceiling === undefined ? "" : `, upper bound of the grid ${number(each.ceiling)}`;
    const meaning = each.meaning.replace(/\.$/, "");
    const missing = each.missing === "" ? "" : `${meaning === "" ? "Not" : ". Not"} measured: ${each.missing}`;
    const title = each.output === null ? each.title : `${each.title} (${each.output})`;
    return element(
      "div",
      { class: "measure" },
      element("span", {}, title),
      element("b", {}, value),
      element("small", {}, `${meaning}${chance}${ceiling}${missing}.`),
    );
  });
}
