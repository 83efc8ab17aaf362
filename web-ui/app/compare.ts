/** Compare: two to six maps of one film side by side, their weighted mean and their disagreement. */

import type { MapData } from "../viewer/data.js";
import { button, element } from "../viewer/dom.js";
import { combine, memberOf } from "../viewer/ensemble.js";
import { type Film as Samples, decodeFilm } from "../viewer/film.js";
import { type Layer, layerOf } from "../viewer/layer.js";
import {
  follow,
  get,
  isSlow,
  post,
  type Film,
  type Findings,
  type Job,
  type Method,
  type Model,
  type Named,
  type Question,
  type ShownFilm,
} from "./api.js";
import { type PaneContent, Panes } from "./panes.js";
import { saveFile } from "./save.js";
import { Choice, ProgressLine, SYNTHETIC_MODEL, Status, field, section } from "./parts.js";
import { viewerData } from "./shown.js";
import { SCALES, type Scale } from "../viewer/settings.js";

const MOST = 6;

type FilmMap = MapData & { readonly notes: readonly string[] };

const SCALE_NAMES: Readonly<Record<Scale, string>> = {
  own: "of each map", shared: "of all maps", fixed: "fixed",
};
const FEWEST = 2;

type Member = ReturnType<typeof memberOf>;

/** The choices of one pane, and the map that they gave. */
class PaneChoice {
  readonly root = element("div", { class: "pane-choice", role: "group" });
  readonly model: Choice;
  readonly method: Choice;
  readonly layer: Choice;
  readonly weight = element("input", { type: "range", min: 0, max: 1, step: 0.05, value: 1 });
  layerOfMap: Layer | null = null;
  member: Member | null = null;
  map: MapData | null = null;
  problem = "";
  /** Counts requests, so that a late reply is left out. */
  requests = 0;
  /** On what the model was trained, where it has to be known. */
  readonly training = element("p", { class: "notice" });
  readonly work = element("div");
  private readonly name = element("b");
  private readonly close: HTMLButtonElement;

  constructor(changed: (modelChanged: boolean) => void, weighted: () => void, remove: () => void) {
    this.model = new Choice("Model", () => changed(true));
    this.method = new Choice("Method", () => changed(false));
    this.layer = new Choice("Layer", () => changed(false));
    this.weight.addEventListener("input", weighted);
    this.close = button("×", "Remove the pane", null, remove);
    const weight = element("label", { class: "choice" }, element("span", {}, "Weight"), this.weight);
    const head = element("div", { class: "head" }, this.name, this.close);
    this.root.append(head, this.model.root, this.training, this.method.root, this.layer.root, this.work, weight);
  }

  setNumber(index: number, removable: boolean): void {
    this.name.textContent = `Pane ${index + 1}`;
    this.root.setAttribute("aria-label", `Pane ${index + 1}`);
    this.weight.setAttribute("aria-label", `Weight of pane ${index + 1}`);
    this.close.setAttribute("aria-label", `Remove pane ${index + 1}`);
    this.close.hidden = !removable;
  }

  content(index: number): PaneContent {
    const name = (choice: Choice): string => choice.select.selectedOptions[0]?.textContent ?? "";
    const path = this.map?.layer ?? name(this.layer);
    const title = `${index + 1} · ${name(this.model)} · ${name(this.method)} · ${path}`;
    return { title, layer: this.layerOfMap, problem: this.problem, combined: false };
  }

  forget(problem: string): void {
    this.map = this.layerOfMap = this.member = null;
    this.problem = problem;
  }
}

export class ComparePage {
  readonly root: HTMLElement;
  private readonly status = new Status();
  private readonly film = new Choice("Film", () => void this.open());
  private readonly target = new Choice("Label", () => void this.explainAll());
  private readonly list = element("div", {});
  private readonly saving = element("div", {});
  private readonly add: HTMLButtonElement;
  private readonly save: HTMLButtonElement;
  private readonly panes = new Panes(() => this.showSettings());
  private readonly opacity = slider("Opacity", 0.1, 1, (opacity) => this.panes.change({ opacity }));
  private readonly threshold = slider("Threshold", 0, 0.95, (threshold) => this.panes.change({ threshold }));
  private readonly scale = new Choice("Scale", (scale) => this.setScale(scale as Scale));
  private readonly limit = element("input", { type: "number", min: 0, step: "any", "aria-label": "Full colour" });
  private readonly fixed = field("Full colour", this.limit);
  private choices: PaneChoice[] = [];
  private models: readonly Named[] = [];
  private methods: readonly Method[] = [];
  private samples: Samples | null = null;
  private opens = 0;

  constructor() {
    this.add = button("Add a pane", "Add a pane", null, () => void this.addPane());
    this.save = button("Export as ZIP", "Export the maps of the panes as a ZIP file", null, () => void this.export());
    const about = element("p", { class: "quiet" },
      "The mean and the disagreement (standard deviation) are of the maps, each divided by its mean magnitude: 1 is heat spread evenly.");
    const buttons = element("div", { class: "buttons" }, this.add, this.save);
    const side = element("div", { class: "panel" },
      section("Film", this.film.root, this.target.root, this.opacity.root, this.threshold.root, this.scale.root, this.fixed),
      section("Panes", this.list, buttons, this.saving, about));
    this.scale.fill(SCALES.map((scale) => [scale, SCALE_NAMES[scale]]), "own");
    this.limit.addEventListener("change", () => this.panes.change({ limit: this.limit.valueAsNumber || 0 }));
    this.fixed.hidden = true;
    const stage = element("div", { class: "stage" }, this.panes.host, this.status.root);
    this.root = element("div", { class: "explain" }, side, stage);
  }

  async start(): Promise<void> {
    try {
      const [models, methods, films] = await Promise.all([
        get<Named[]>("models"), get<Method[]>("methods"), get<Film[]>("films"),
      ]);
      this.models = models;
      this.methods = methods;
      this.film.fill(films.map(({ id, name }) => [id, name]));
      if (films.length === 0) {
        this.status.say("Give a film on the page Explain.");
        return;
      }
      this.newPane("gradcam", models[0]!.id);
      if (await haveALabelInCommon(models.slice(0, 2))) this.newPane("gradcam", models[1]!.id);
      else this.newPane("layercam", models[0]!.id);
      await this.open();
    } catch (error) {
      this.status.fail(error);
    }
  }

  stop(): void {
    this.opens += 1;
    this.panes.dispose();
  }

  private newPane(method: string, model: string): PaneChoice {
    const made: PaneChoice = new PaneChoice(
      (modelChanged) => void this.changed(made, modelChanged),
      () => this.show(),
      () => this.remove(made),
    );
    made.model.fill(this.models.map(({ id, name }) => [id, name]), model);
    made.method.fill(this.methods.map((each) => [each.name, isSlow(each) ? `${each.title} (slow)` : each.title]), method);
    made.layer.fill([["auto", "auto"]], "auto");
    this.choices.push(made);
    this.list.append(made.root);
    this.number();
    return made;
  }

  private async addPane(): Promise<void> {
    const last = this.choices.at(-1)!;
    const used = this.choices.map((each) => each.method.value);
    const fast = this.methods.filter((each) => !isSlow(each)).map(({ name }) => name);
    const method = fast.find((name) => !used.includes(name)) ?? last.method.value;
    await this.changed(this.newPane(method, last.model.value), true);
  }

  private remove(choice: PaneChoice): void {
    this.choices = this.choices.filter((other) => other !== choice);
    choice.root.remove();
    this.number();
    this.show();
  }

  private number(): void {
    const { length } = this.choices;
    this.choices.forEach((each, index) => each.setNumber(index, length > FEWEST));
    this.add.disabled = length >= MOST;
  }

  /** Another film: its findings by the models of the panes, then all maps. */
  private async open(): Promise<void> {
    const opening = ++this.opens;
    this.status.say("Opening the film…");
    try {
      const film = await get<ShownFilm>(`films/${this.film.value}`);
      if (film.volume !== undefined) {
        throw new Error(`${film.name} is a volume: its maps are compared on the page Explain, in its viewer.`);
      }
      const samples = await decodeFilm(film.film);
      if (opening !== this.opens) return;
      this.samples = samples;
      this.panes.setFilm(samples, viewerData(film, []));
      for (const each of this.choices) each.forget("");
      this.show();
      this.showSettings();
      await Promise.all(this.choices.map((each) => this.fillLayers(each)));
      await this.fillTargets();
      if (opening === this.opens) await this.explainAll();
    } catch (error) {
      if (opening === this.opens) this.status.fail(error);
    }
  }

  /** The labels of every model that a pane has, most probable first. */
  private async fillTargets(): Promise<void> {
    const models = [...new Set(this.choices.map((each) => each.model.value))];
    const replies = await Promise.all(
      models.map((model) => get<Findings>(`models/${model}/findings/${this.film.value}`)),
    );
    const found = replies.flatMap(({ findings }) => findings);
    const names = [...new Set(found.map(({ target }) => target))];
    const before = this.target.value;
    this.target.fill(names.map((name) => [name, name]), names.includes(before) ? before : names[0]);
  }

  private async fillLayers(choice: PaneChoice): Promise<void> {
    const { layers, synthetic } = await get<Model>(`models/${choice.model.value}`);
    choice.training.textContent = synthetic ? SYNTHETIC_MODEL : "";
    const stages = layers.filter((layer) => layer.stage || layer.auto);
    const options = stages.map(({ path, grid, auto }): [string, string] => {
      const size = grid.join(" × ");
      return auto ? ["auto", `auto: ${path}, ${size}`] : [path, `${path}, ${size}`];
    });
    const before = choice.layer.value;
    choice.layer.fill(options, options.some(([value]) => value === before) ? before : "auto");
  }

  private async changed(choice: PaneChoice, modelChanged: boolean): Promise<void> {
    // The caption names the new choice from now on: no map of the earlier one may stand below it.
    choice.requests += 1;
    choice.forget("…");
    this.show();
    try {
      if (modelChanged) {
        await this.fillLayers(choice);
        await this.fillTargets();
      }
      await this.explain(choice);
    } catch (error) {
      this.status.fail(error);
    }
  }

  private async explainAll(): Promise<void> {
    this.status.say("Making the maps…");
    await Promise.all(this.choices.map((each) => this.explain(each)));
    this.status.say("");
  }

  private question(choice: PaneChoice): Question {
    return {
      film: this.film.value, model: choice.model.value, target: this.target.value,
      method: choice.method.value, layer: choice.layer.value || "auto",
    };
  }

  /** The map of one pane; what goes wrong stands in the pane. */
  private async explain(choice: PaneChoice): Promise<void> {
    const request = ++choice.requests;
    choice.forget("…");
    this.show();
    const { opens, samples } = this;
    try {
      const map = await this.made(choice, this.question(choice));
      if (request !== choice.requests || opens !== this.opens || samples === null) return;
      const layer = layerOf(map, samples);
      const member = memberOf(layer, map, samples);
      Object.assign(choice, { map, layerOfMap: layer, member, problem: "" });
    } catch (error) {
      if (request !== choice.requests || opens !== this.opens) return;
      choice.forget(error instanceof Error ? error.message : String(error));
    }
    this.show();
  }

  private async made(choice: PaneChoice, question: Question): Promise<FilmMap> {
    const method = this.methods.find((each) => each.name === question.method);
    if (!method || !isSlow(method)) return post<FilmMap>("maps", question);
    const request = choice.requests;
    const line = new ProgressLine(method.title);
    const progress = (job: Job<FilmMap>): boolean => {
      if (request !== choice.requests) return false;
      line.show(job, choice.work);
      return true;
    };
    try {
      const { state, result } = await follow<FilmMap>({ kind: "map", ...question }, progress);
      if (result === null) throw new Error(state);
      return result;
    } finally {
      line.root.remove();
    }
  }

  private show(): void {
    const contents = this.choices.map((each, index) => each.content(index));
    this.panes.show([...contents, ...this.combined()]);
    this.save.disabled = this.choices.every((each) => each.map === null);
  }

  /** The mean and the disagreement of the panes that have a map and a weight. */
  private combined(): PaneContent[] {
    const made = this.choices.filter((each) => each.member !== null && Number(each.weight.value) > 0);
    const titles = [`Mean of ${made.length} maps`, "Disagreement: standard deviation"];
    if (made.length < FEWEST || this.samples === null) {
      const problem = "needs two maps with a weight above 0";
      return titles.map((title) => ({ title, layer: null, problem, combined: true }));
    }
    const weights = made.map((each) => Number(each.weight.value));
    const { mean, spread } = combine(made.map((each) => each.member!), weights, this.samples);
    return [mean, spread].map((layer, i) => ({ title: titles[i]!, layer, problem: "", combined: true }));
  }

  private setScale(scale: Scale): void {
    const largest = this.panes.sharedLimit();
    this.panes.change(scale === "fixed" && largest > 0 ? { scale, limit: largest } : { scale });
  }

  private showSettings(): void {
    const { settings } = this.panes;
    if (settings === null) return;
    this.scale.select.value = settings.scale;
    this.fixed.hidden = settings.scale !== "fixed";
    this.limit.value = String(settings.limit);
    this.opacity.input.value = String(settings.opacity);
    this.threshold.input.value = String(settings.threshold);
  }

  private async export(): Promise<void> {
    const maps = this.choices.filter((each) => each.map !== null).map((each) => this.question(each));
    if (maps.length > 0) await saveFile({ kind: "export", maps }, "Writing the ZIP file", this.saving, this.status);
  }
}

/** Whether two models can be compared: they have a label in common, or both have none. */
async function haveALabelInCommon(models: readonly Named[]): Promise<boolean> {
  const [first, second] = await Promise.all(models.map(({ id }) => get<Model>(`models/${id}`)));
  if (first === undefined || second === undefined) return false;
  // The server does not tell capital letters from small ones either.
  const [ours, others] = [first, second].map(({ labels }) => labels.map((label) => label.toLowerCase()));
  return ours!.length + others!.length === 0 || ours!.some((label) => others!.includes(label));
}

function slider(
  label: string,
  min: number,
  max: number,
  change: (value: number) => void,
): { root: HTMLElement; input: HTMLInputElement } {
  const input = element("input", { type: "range", min, max, step: 0.01, "aria-label": label });
  input.addEventListener("input", () => change(Number(input.value)));
  return { root: element("label", { class: "choice" }, element("span", {}, label), input), input };
}
