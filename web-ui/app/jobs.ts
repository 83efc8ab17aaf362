/** Jobs: what runs, what waits, and what came of the rest. */

import { button, element } from "../viewer/dom.js";
import { type Film, type Job, type Method, type Named, type Problem, cancelJob, get } from "./api.js";
import { Status, progressWords, section } from "./parts.js";

/** Milliseconds to the next look at the jobs: while one runs or waits, and while none does. */
const SOON = 700;
const LATER = 4000;

interface Listed extends Job<null> {
  readonly kind: "map" | "occlusion" | "curve" | "figure" | "export" | "cases" | "report";
  readonly added: string;
  /** Whether its file is still there. */
  readonly file: boolean;
  readonly request: {
    readonly film?: string;
    readonly model?: string;
    readonly target?: string;
    readonly method?: string;
    readonly maps?: readonly { readonly film: string; readonly model: string }[];
    readonly run?: string;
  };
}

type Names = ReadonlyMap<string, string>;

/** What the identifiers of a request stand for. */
interface Known {
  readonly films: Names;
  readonly models: Names;
  readonly methods: Names;
}

export class JobsPage {
  readonly root: HTMLElement;
  private readonly status = new Status();
  private readonly open = new JobTable("No work runs or waits.");
  private readonly finished = new JobTable(
    "Nothing is finished yet. Slow methods, passes over a film, ZIP files and reports are begun on the other pages.",
  );
  private known: Omit<Known, "films"> | null = null;
  private timer = 0;
  private left = false;

  constructor() {
    const results = element(
      "div",
      { class: "results jobs" },
      section("Running and waiting", this.open.root),
      section("Finished", this.finished.root),
    );
    this.root = element("div", { class: "stage" }, results, this.status.root);
  }

  async start(): Promise<void> {
    try {
      this.known ??= await names();
      const [jobs, films] = await Promise.all([get<Listed[]>("jobs"), get<Film[]>("films")]);
      const known = { ...this.known, films: named(films) };
      const isOpen = ({ state }: Listed): boolean => state === "running" || state === "queued";
      const open = jobs.filter(isOpen).reverse(); // in the order in which they are done
      this.open.show(open, known);
      this.finished.show(jobs.filter((job) => !isOpen(job)), known);
      this.status.say("");
      this.again(open.length > 0 ? SOON : LATER);
    } catch (error) {
      this.status.fail(error);
      this.again(LATER);
    }
  }

  stop(): void {
    this.left = true;
    window.clearTimeout(this.timer);
  }

  private again(milliseconds: number): void {
    if (!this.left) this.timer = window.setTimeout(() => void this.start(), milliseconds);
  }
}

async function names(): Promise<Omit<Known, "films">> {
  const [models, methods] = await Promise.all([get<Named[]>("models"), get<Method[]>("methods")]);
  return { models: named(models), methods: new Map(methods.map(({ name, title }) => [name, title])) };
}

function named(all: readonly Named[]): Names {
  return new Map(all.map(({ id, name }) => [id, name]));
}

/** Jobs below each other; a row stays the same element, so that it keeps the focus. */
class JobTable {
  readonly root: HTMLElement;
  private readonly none: HTMLElement;
  private readonly list = element("ul", {});
  private readonly rows = new Map<string, JobRow>();

  constructor(none: string) {
    this.none = element("p", { class: "quiet" }, none);
    this.root = element("div", {}, this.none, this.list);
  }

  show(jobs: readonly Listed[], known: Known): void {
    const ids = new Set(jobs.map(({ id }) => id));
    for (const [id, row] of this.rows) {
      if (ids.has(id)) continue;
      row.root.remove();
      this.rows.delete(id);
    }
    jobs.forEach((job, place) => {
      const row = this.rows.get(job.id) ?? new JobRow(job, known);
      this.rows.set(job.id, row);
      row.show(job, known);
      const there = this.list.children[place];
      if (there !== row.root) this.list.insertBefore(row.root, there ?? null);
    });
    this.none.hidden = jobs.length > 0;
  }
}

class JobRow {
  readonly root: HTMLElement;
  private readonly state = element("span", { class: "state" });
  private readonly bar: HTMLProgressElement;
  private readonly actions = element("span", { class: "actions" });
  private shown = "";

  constructor(job: Listed, known: Known) {
    const title = titleOf(job, known);
    this.bar = element("progress", { "aria-label": title });
    const when = element("time", { datetime: job.added }, new Date(job.added).toLocaleString());
    const about = element("small", {}, aboutOf(job, known), when);
    this.root = element("li", {}, element("b", {}, title), about, this.state, this.bar, this.actions);
  }

  show(job: Listed, known: Known): void {
    const { state, done, total } = job;
    this.root.dataset["state"] = state;
    this.state.textContent = stateWords(job);
    this.bar.hidden = state !== "running";
    if (total > 0) {
      this.bar.max = total;
      this.bar.value = done;
    }
    const hasFilm = known.films.has(job.request.film ?? "");
    const now = `${state} ${job.file} ${hasFilm}`;
    if (now === this.shown) return;
    this.shown = now;
    this.actions.replaceChildren(...actionsOf(job, titleOf(job, known), hasFilm));
  }
}

function actionsOf(job: Listed, title: string, hasFilm: boolean): HTMLElement[] {
  const { id, kind, state, request } = job;
  if (state === "queued" || state === "running") {
    return [button("Cancel", `Cancel: ${title}`, null, () => cancelJob(id))];
  }
  if (state !== "done") return [];
  if (job.file) {
    return [element("a", { href: `/api/jobs/${id}/file`, download: true, "aria-label": `Save: ${title}` }, "Save the file")];
  }
  if (request.film === undefined || kind === "figure") return [element("span", { class: "quiet" }, "the file is no longer kept")];
  if (!hasFilm) return [element("span", { class: "quiet" }, "the film was removed")];
  const wanted = new URLSearchParams({ film: request.film, model: request.model ?? "", job: id });
  return [element("a", { href: `#/explain?${wanted.toString()}`, "aria-label": `Open: ${title}` }, "Open")];
}

function stateWords(job: Listed): string {
  const { state, error } = job;
  if (state === "failed") return `failed: ${reason(error)}`;
  if (state === "done" || state === "cancelled") return state;
  return progressWords(job) || "runs";
}

function reason(error: Problem | null): string {
  if (error === null) return "no reason is known";
  return error.fix ? `${error.what} (${error.fix})` : error.what;
}

function titleOf({ kind, request }: Listed, known: Known): string {
  const { target = "", method = "", maps = [], run = "" } = request;
  const title = known.methods.get(method) ?? method;
  switch (kind) {
    case "map": return `${title} of ${target}`;
    case "occlusion": return `Pass over the film for ${target}`;
    case "curve": return `Hottest cells hidden: ${title} of ${target}`;
    case "figure": return `Picture: ${title} of ${target}`;
    case "export": return maps.length === 1 ? "ZIP file of one map" : `ZIP file of ${maps.length} maps`;
    case "cases": return `ZIP file of cases of ${run}`;
    case "report": return `Report of ${run}`;
  }
}

/** Film and model, where there is one of each. */
function aboutOf({ request }: Listed, known: Known): string {
  const asked = request.maps ?? (request.film === undefined ? [] : [request]);
  const films = [...new Set(asked.map(({ film }) => known.films.get(film ?? "") ?? "a film that was removed"))];
  const models = [...new Set(asked.map(({ model }) => known.models.get(model ?? "") ?? "a model that is not offered now"))];
  const parts = [listed(films, "films"), listed(models, "models")].filter((part) => part !== "");
  return parts.map((part) => `${part} · `).join("");
}

function listed(values: readonly string[], plural: string): string {
  return values.length > 1 ? `${values.length} ${plural}` : (values[0] ?? "");
}
