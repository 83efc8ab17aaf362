/** Explain: films, models, methods, labels and layers on the left, the film with its maps beside them. */

import type { MapData } from "../viewer/data.js";
import { button, element } from "../viewer/dom.js";
import { mountViewer } from "../viewer/mount.js";
import type { Viewer } from "../viewer/viewer.js";
import { number, probabilityText } from "../viewer/words.js";
import {
  follow,
  get,
  give,
  isSlow,
  post,
  remove,
  type Curve,
  type Film,
  type Finding,
  type Findings,
  type Job,
  type Method,
  type Model,
  type Named,
  type Occlusion,
  type Question,
  type ShownFilm,
  type ShownMap,
} from "./api.js";
import { Ask } from "./ask.js";
import { ZipChoice, saveFile } from "./save.js";
import { asSeries, droppedFiles } from "./series.js";
import { type AnyMap, viewerData } from "./shown.js";
import { Choice, ProgressLine, SYNTHETIC_MODEL, Status, section } from "./parts.js";

/** Of a map, a pass over the film, or a curve; a pass is of no method and layer. */
interface FinishedJob {
  readonly kind: "map" | "occlusion" | "curve";
  readonly request: Question & { readonly cover: string; readonly cells: number };
  readonly result: ShownMap | Occlusion | Curve | null;
}

export class ExplainPage {
  readonly root: HTMLElement;
  private readonly status = new Status();
  private readonly films = element("ul", { class: "films", "aria-label": "Films" });
  private readonly findings = element("ul", { class: "findings", "aria-label": "Findings" });
  private readonly training = element("p", { class: "notice" });
  private readonly notes = element("ul", { class: "notes" });
  private readonly host = element("div", { class: "host" });
  private readonly work = element("div", {});
  private readonly saving = element("div", {});
  private readonly zip = new ZipChoice();
  private readonly model = new Choice("Model", () => void this.changeModel());
  private readonly method = new Choice("Method", () => this.changeMap());
  private readonly layer = new Choice("Layer", () => this.changeMap());
  private readonly ask: Ask;
  private viewer: Viewer | null = null;
  private methods: readonly Method[] = [];
  private known: Film[] = [];
  private film: ShownFilm | null = null;
  private target = "";
  private maps: AnyMap[] = [];
  /** What was asked for each map of the server, by its id. */
  private readonly questions = new Map<string, Question>();
  private requests = 0;
  /** The film that the viewer has. */
  private shown = "";

  constructor() {
    this.ask = new Ask(
      {
        question: () => this.question(),
        change: (settings) => this.viewer?.change(settings),
        region: (box) => this.viewer?.setRegion(box),
        addMap: (make) => this.addMap(make),
      },
      this.status,
    );
    const side = element(
      "div",
      { class: "panel" },
      section("Films", this.giveButton(), this.films),
      section("Model", this.model.root, this.training, this.findings),
      section("Map", this.method.root, this.layer.root, this.work, this.exportButtons(), this.zip.root, this.saving, this.notes),
      this.ask.root,
    );
    const empty = element("p", { class: "empty" }, "Choose a film, or drop one here: an image, NIfTI, or all DICOM files of a series.");
    this.host.append(empty);
    const stage = element("div", { class: "stage" }, this.host, this.status.root);
    this.root = element("div", { class: "explain" }, side, stage);
    this.acceptDrops();
  }

  async start(): Promise<void> {
    try {
      const [models, methods, films] = await Promise.all([
        get<Named[]>("models"), get<Method[]>("methods"), get<Film[]>("films"),
      ]);
      this.methods = methods;
      this.known = films;
      this.model.fill(models.map(({ id, name }) => [id, name]));
      this.method.fill(methods.map((each) => [each.name, isSlow(each) ? `${each.title} (slow)` : each.title]), "gradcam");
      this.listFilms();
      const wanted = new URLSearchParams(location.hash.split("?")[1]);
      const model = wanted.get("model");
      if (model !== null && models.some(({ id }) => id === model)) this.model.select.value = model;
      const film = films.find(({ id }) => id === wanted.get("film")) ?? films[0];
      if (film !== undefined) await this.open(film.id);
      else await this.changeModel();
      const job = wanted.get("job");
      if (job !== null) await this.showJob(job);
    } catch (error) {
      this.status.fail(error);
    }
  }

  /** What a job made of the film and the model that are chosen. */
  private async showJob(id: string): Promise<void> {
    const { kind, request, result } = await get<FinishedJob>(`jobs/${encodeURIComponent(id)}`);
    if (result === null || request.film !== this.film?.id || request.model !== this.model.value) {
      this.status.fail("The result of this job cannot be shown: its film or its model is not there.");
      return;
    }
    this.target = request.target;
    this.markTarget();
    if (kind !== "occlusion") {
      this.method.choose(request.method);
      this.layer.choose(request.layer);
    }
    if (kind === "map") this.placeAnswer(result as ShownMap, request);
    else if (kind === "occlusion") this.ask.showPass(result as Occlusion, request);
    else this.ask.showCurve(result as Curve);
  }

  /** The page is left: the viewer gives back what it holds. */
  stop(): void {
    this.viewer?.dispose();
  }

  private question(): Question | null {
    if (this.film === null || this.target === "") return null;
    const { value: model } = this.model;
    return { film: this.film.id, model, target: this.target, method: this.method.value, layer: this.layer.value || "auto" };
  }

  private giveButton(): HTMLElement {
    const input = element("input", { type: "file", multiple: true, "aria-label": "Films or volumes to give" });
    input.addEventListener("change", () => {
      void this.give([...(input.files ?? [])]);
      input.value = "";
    });
    return element("label", { class: "give" }, "Give films or volumes…", input);
  }

  /** The chosen map as a picture; all maps of the film that stand in the list as a ZIP file. */
  private exportButtons(): HTMLElement {
    const picture = button("Save as PNG", "Save the chosen map as an annotated picture (PNG)", null, () => void this.savePicture());
    const all = button("Export as ZIP", "Export the maps of this film as a ZIP file", null, () => void this.export());
    return element("div", { class: "buttons" }, picture, all);
  }

  private async savePicture(): Promise<void> {
    const question = this.question();
    if (question !== null) await saveFile({ kind: "figure", ...question }, "Drawing the picture", this.saving, this.status);
  }

  private async export(): Promise<void> {
    const made = this.maps.map(({ id }) => this.questions.get(id)).filter((each) => each !== undefined);
    if (made.length === 0) return;
    const left = made.length < this.maps.length;
    const isSaved = await saveFile({ kind: "export", maps: made, write: this.zip.write }, "Writing the ZIP file", this.saving, this.status);
    if (isSaved && left) this.status.say("The map of the sliding pass was made in this page, and is not in the file.");
  }

  private acceptDrops(): void {
    this.root.addEventListener("dragover", (event) => {
      event.preventDefault();
      this.root.classList.add("dropping");
    });
    this.root.addEventListener("dragleave", () => this.root.classList.remove("dropping"));
    this.root.addEventListener("drop", (event) => {
      event.preventDefault();
      this.root.classList.remove("dropping");
      void droppedFiles(event.dataTransfer).then((files) => this.give(files), (error) => this.status.fail(error));
    });
  }

  /** Several files, one after the other; one that cannot be read costs itself alone. */
  private async give(given: readonly File[]): Promise<void> {
    const failures: string[] = [];
    let first: Film | null = null;
    const files = await this.packed(given);
    for (const [index, file] of files.entries()) {
      this.status.say(`Reading ${file.name} (${index + 1} of ${files.length})…`);
      try {
        const film = await give(file);
        first ??= film;
        this.known = [film, ...this.known.filter((other) => other.id !== film.id)];
        this.listFilms();
      } catch (error) {
        const said = error instanceof Error ? error.message : String(error);
        failures.push(said.includes(file.name) ? said : `${file.name}: ${said}`);
      }
    }
    this.status.say("");
    if (first !== null) await this.open(first.id);
    if (failures.length > 0) this.status.failEach(failures);
  }

  /** For a model of volumes, DICOM files that are given together are one series. */
  private async packed(files: readonly File[]): Promise<readonly File[]> {
    if (files.length < 2) return files;
    this.status.say(`Reading ${files.length} files…`);
    try {
      const { volume } = await get<Model>(`models/${this.model.value}`);
      return volume ? await asSeries(files) : files;
    } catch (error) {
      this.status.fail(error);
      return [];
    }
  }

  private listFilms(): void {
    const items = this.known.map((film) => {
      const chosen = film.id === this.film?.id;
      const open = button(film.name, `Open ${film.name}`, chosen, () => void this.open(film.id));
      const item = element("li", {}, open);
      if (film.given) {
        item.append(button("×", `Remove ${film.name}`, null, () => void this.remove(film)));
      }
      return item;
    });
    this.films.replaceChildren(...items);
  }

  private async remove(film: Film): Promise<void> {
    try {
      await remove(`films/${film.id}`);
      this.known = this.known.filter((other) => other.id !== film.id);
      this.listFilms();
    } catch (error) {
      this.status.fail(error);
    }
  }

  private async open(id: string): Promise<void> {
    const request = ++this.requests;
    this.status.say("Opening the film…");
    try {
      const film = await get<ShownFilm>(`films/${id}`);
      if (request !== this.requests) return;
      this.showFilm(film);
      await this.changeModel();
    } catch (error) {
      if (request === this.requests) this.status.fail(error);
    }
  }

  private showFilm(film: ShownFilm): void {
    this.film = film;
    this.maps = [];
    this.notes.replaceChildren(); // those of another film
    this.listFilms();
    this.show();
    this.ask.clear(true);
    this.ask.offer(film.volume === undefined);
    this.zip.root.hidden = film.volume !== undefined; // whose files are always the same
  }

  /** A DICOM file of many frames is a film to one model, and a volume to another. */
  private async showAsSeenBy(model: Model, request: number): Promise<void> {
    const { film } = this;
    const isBoth = (film?.kinds?.length ?? 0) > 1;
    if (film === null || !isBoth || (film.volume !== undefined) === model.volume) return;
    const other = await get<ShownFilm>(`films/${film.id}?volume=${model.volume}`);
    if (request === this.requests) this.showFilm(other);
  }

  /** Layers and findings of the chosen model, then the map of its first finding. */
  private async changeModel(): Promise<void> {
    const request = ++this.requests;
    const model = this.model.value;
    this.ask.forget();
    this.status.say("Running the model…");
    try {
      const described = await get<Model>(`models/${model}`);
      await this.showAsSeenBy(described, request);
      const findings = this.film === null ? null : await get<Findings>(`models/${model}/findings/${this.film.id}`);
      if (request !== this.requests) return;
      this.fillLayers(described);
      this.training.textContent = described.synthetic ? SYNTHETIC_MODEL : "";
      this.maps = this.maps.filter((map) => map.id.startsWith(`${model}/`));
      if (findings === null) {
        this.status.say("");
        return;
      }
      const targets = findings.findings.map((each) => each.target);
      if (!targets.includes(this.target)) this.target = targets[0] ?? "";
      if (this.maps.length === 0) this.target = targets[0] ?? "";
      this.listFindings(findings);
      this.ask.clear(false);
      await this.explain();
    } catch (error) {
      if (request !== this.requests) return;
      this.findings.replaceChildren(); // those of another film or model
      this.target = "";
      this.status.fail(error);
    }
  }

  private fillLayers(model: Model): void {
    const stages = model.layers.filter((layer) => layer.stage || layer.auto);
    const options = stages.map(({ path, grid, auto }): [string, string] => {
      const size = grid.join(" × ");
      return auto ? ["auto", `auto: ${path}, ${size}`] : [path, `${path}, ${size}`];
    });
    const before = this.layer.value;
    const chosen = options.some(([value]) => value === before) ? before : "auto";
    this.layer.fill(options, chosen);
  }

  private listFindings(findings: Findings): void {
    const rows = findings.findings.map((finding) => this.findingRow(finding, findings.score_kind));
    this.findings.replaceChildren(...rows);
  }

  private findingRow(finding: Finding, kind: string): HTMLElement {
    const { probability, threshold, target } = finding;
    const value = probability === null ? `${kind} ${number(finding.score)}` : probabilityText(probability);
    const decided = finding.above === null ? "" : finding.above ? "above" : "below";
    const limit = threshold === null ? "" : `, ${decided} its threshold ${number(threshold)}`;
    const row = button("", `${target}: ${value}${limit}`, target === this.target, () => this.choose(target));
    row.dataset["target"] = target;
    row.append(element("span", { class: "name" }, target), element("span", { class: "value" }, value));
    row.classList.toggle("above", finding.above === true);
    if (probability !== null) row.append(bar(probability, threshold));
    return element("li", {}, row);
  }

  private choose(target: string): void {
    this.target = target;
    this.markTarget();
    this.ask.clear(false);
    void this.explain();
  }

  private markTarget(): void {
    for (const row of this.findings.querySelectorAll("button")) {
      row.setAttribute("aria-pressed", String(row.dataset["target"] === this.target));
    }
  }

  private changeMap(): void {
    this.ask.forgetMap();
    void this.explain();
  }

  private async explain(): Promise<void> {
    const question = this.question();
    if (question === null) return;
    const request = ++this.requests;
    this.status.say("");
    try {
      const map = await this.made(question, request);
      if (map === null || request !== this.requests) return;
      this.placeAnswer(map, question);
    } catch (error) {
      if (request === this.requests) this.status.fail(error);
    }
  }

  private placeAnswer(map: ShownMap, question: Question): void {
    this.questions.set(map.id, question);
    this.place(map);
    this.notes.replaceChildren(...map.notes.map((note) => element("li", {}, note)));
  }

  /** A map at once, or, of a method of many forward passes, as a job. */
  private async made(question: object, request: number): Promise<ShownMap | null> {
    const method = this.methods.find((each) => each.name === this.method.value);
    if (!method || !isSlow(method)) return post<ShownMap>("maps", question);
    const line = new ProgressLine(method.title);
    const progress = (job: Job<ShownMap>): boolean => {
      if (request !== this.requests) return false;
      line.show(job, this.work);
      return true;
    };
    try {
      return (await follow<ShownMap>({ kind: "map", ...question }, progress)).result;
    } finally {
      line.root.remove();
    }
  }

  private addMap(make: (like: MapData) => MapData): void {
    const like = this.maps[0];
    if (like !== undefined && !("at" in like)) this.place(make(like));
  }

  /** The newest map first; the others stay for comparison. */
  private place(map: AnyMap): void {
    this.maps = [map, ...this.maps.filter((other) => other.id !== map.id)];
    this.show();
  }

  private show(): void {
    const { film } = this;
    if (film === null) return;
    const data = viewerData(film, this.maps);
    if (this.viewer !== null) {
      void this.showAgain(this.viewer, data);
      return;
    }
    this.host.replaceChildren();
    this.shown = shownAs(film);
    this.viewer = mountViewer(this.host, data, {
      onRegion: (box, done) => this.ask.drawn(box, done),
      onPaint: (painting) => this.ask.painted(painting),
      onChange: (settings) => this.ask.showSettings(settings),
      onImage: (step) => this.step(step),
    });
  }

  /** Other maps of the same film leave its part and its grey levels as the person set them. */
  private async showAgain(viewer: Viewer, data: ReturnType<typeof viewerData>): Promise<void> {
    const { view } = viewer.stage;
    const { x, y, zoom } = view;
    const levels = viewer.settings;
    const film = shownAs(this.film);
    const same = film === this.shown;
    this.shown = film;
    await viewer.show(data);
    this.ask.redraw();
    if (!same || levels === null) return;
    const { low, high, invert } = levels;
    if (Math.abs(view.zoom - zoom) > 1e-6) {
      view.zoomTo(zoom);
      Object.assign(view, { x, y });
    }
    viewer.change({ low, high, invert });
  }

  private step(by: number): void {
    const at = this.known.findIndex((film) => film.id === this.film?.id);
    const next = this.known[at + by];
    if (next !== undefined) void this.open(next.id);
  }
}

/** What is in the viewer: one file can be a film and a volume. */
function shownAs(film: ShownFilm | null): string {
  return film === null ? "" : `${film.id} ${film.volume === undefined ? "film" : "volume"}`;
}

/** A probability as a bar, with its threshold. */
function bar(probability: number, threshold: number | null): HTMLElement {
  const fill = element("span", { class: "fill" });
  fill.style.width = `${100 * probability}%`;
  const made = element("span", { class: "bar", "aria-hidden": "true" }, fill);
  if (threshold !== null) {
    const tick = element("span", { class: "tick" });
    tick.style.left = `${100 * threshold}%`;
    made.append(tick);
  }
  return made;
}
