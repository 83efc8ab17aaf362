/** Compare: two to six maps side by side, of one film or of several of a patient, and what is made of them. */

import type { MapData } from "../viewer/data.js";
import { button, element } from "../viewer/dom.js";
import { memberOf } from "../viewer/ensemble.js";
import { layerOf } from "../viewer/layer.js";
import { SCALES, type Scale } from "../viewer/settings.js";
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
} from "./api.js";
import { FEWEST, averagedPanes, differencePane, meanPanes } from "./combined.js";
import { type Frame, firstFrame, laterFrame } from "./frame.js";
import { type ChangeQuestion, Movement } from "./movement.js";
import { PaneChoice } from "./pane_choice.js";
import { Panes } from "./panes.js";
import { Choice, ProgressLine, SYNTHETIC_MODEL, Status, field, section } from "./parts.js";
import { ZipChoice, saveFile } from "./save.js";

const MOST = 6;

type FilmMap = MapData & { readonly notes: readonly string[] };

const SCALE_NAMES: Readonly<Record<Scale, string>> = {
  own: "of each map", shared: "of all maps", fixed: "fixed",
};

/** As `--align` of camlucida change. */
const ALIGNMENTS: readonly (readonly [string, string])[] = [
  ["auto", "auto: shift, rotation, magnification"], ["none", "none: centre over centre"],
];

const UNCHECKED =
  "That films can be aligned does not show that they are of one patient: nothing here checks it. " +
  "Each film is shown as it is; zoom, position and cross follow the alignment.";

export class ComparePage {
  readonly root: HTMLElement;
  private readonly status = new Status();
  private readonly film = new Choice("Film", () => void this.open());
  private readonly target = new Choice("Label", () => void this.explainAll());
  private readonly minuend = new Choice("Difference", () => this.show());
  private readonly subtrahend = new Choice("minus", () => this.show());
  private readonly alignment = new Choice("Alignment", () => void this.placeAll());
  private readonly laid = element("div", { class: "notes" });
  private readonly movement = new Movement(() => this.show());
  private readonly aligning = section("Later films", this.alignment.root, this.laid);
  private readonly beforeAfter: HTMLButtonElement;
  private readonly list = element("div", {});
  private readonly saving = element("div", {});
  private readonly zip = new ZipChoice();
  private readonly add: HTMLButtonElement;
  private readonly save: HTMLButtonElement;
  private readonly panes = new Panes({
    settingsChanged: () => this.showSettings(),
    label: (step) => this.target.step(step),
    film: (step) => this.film.step(step),
    layout: () => this.nextLayout(),
  });
  private readonly opacity = slider("Opacity", 0.1, 1, (opacity) => this.panes.change({ opacity }));
  private readonly threshold = slider("Threshold", 0, 0.95, (threshold) => this.panes.change({ threshold }));
  private readonly scale = new Choice("Scale", (scale) => this.setScale(scale as Scale));
  private readonly limit = element("input", { type: "number", min: 0, step: "any", "aria-label": "Full colour" });
  private readonly fixed = field("Full colour", this.limit);
  private choices: PaneChoice[] = [];
  private models: readonly Named[] = [];
  private methods: readonly Method[] = [];
  private films: readonly Film[] = [];
  private first: Frame | null = null;
  private readonly frames = new Map<string, Promise<Frame>>();
  private opens = 0;
  /** Findings of the film, by model. */
  private readonly findings = new Map<string, Promise<Findings>>();

  constructor() {
    this.add = button("Add a pane", "Add a pane", null, () => void this.addPane());
    this.save = button("Export as ZIP", "Export the maps of the panes as a ZIP file", null, () => void this.export());
    this.beforeAfter = button("Before and after", "Compare two films of a patient by one model and method", null, () => void this.compareFilms());
    const about = element("p", { class: "quiet" },
      "The mean and the disagreement (standard deviation) are of the maps of the first film, each divided by its mean magnitude: 1 is heat spread evenly.");
    const grid = element("p", { class: "quiet" }, "A difference smaller than a cell of the maps' grids means nothing.");
    const buttons = element("div", { class: "buttons" }, this.add, this.beforeAfter, this.save);
    const side = element("div", { class: "panel" },
      section("Film", this.film.root, this.target.root, this.opacity.root, this.threshold.root, this.scale.root, this.fixed),
      this.aligning,
      section("Panes", this.list, buttons, this.zip.root, this.saving),
      section("Combined", this.minuend.root, this.subtrahend.root, this.movement.root, grid, about));
    this.alignment.fill(ALIGNMENTS, "auto");
    this.aligning.hidden = true;
    this.scale.fill(SCALES.map((scale) => [scale, SCALE_NAMES[scale]]), "own");
    this.limit.addEventListener("change", () => this.panes.change({ limit: this.limit.valueAsNumber || 0 }));
    this.fixed.hidden = true;
    const stage = element("div", { class: "stage comparing" }, this.panes.host, this.status.root);
    this.root = element("div", { class: "explain" }, side, stage);
  }

  async start(): Promise<void> {
    try {
      const [models, methods, films] = await Promise.all([
        get<Named[]>("models"), get<Method[]>("methods"), get<Film[]>("films"),
      ]);
      this.models = models;
      this.methods = methods;
      this.films = films;
      this.beforeAfter.disabled = films.length < FEWEST;
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
    const made: PaneChoice = new PaneChoice({
      changed: (modelChanged) => void this.changed(made, modelChanged),
      filmChanged: () => void this.moved(made),
      weighted: () => this.show(),
      remove: () => void this.removed(made),
    });
    made.film.fill([["", "the first film"], ...this.films.map(({ id, name }): [string, string] => [id, name])], "");
    made.frame = this.first;
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
    choice.requests += 1;
    choice.root.remove();
    this.number();
    this.showPlaces();
    this.show();
  }

  /** A pane less: the labels of its model may go with it. */
  private async removed(choice: PaneChoice): Promise<void> {
    this.remove(choice);
    try {
      if (await this.fillTargets()) await this.explainAll();
    } catch (error) {
      this.status.fail(error);
    }
  }

  /** Two panes that differ in the film alone, and what changed between them. */
  private async compareFilms(): Promise<void> {
    const [before, ...others] = this.choices as [PaneChoice, ...PaneChoice[]];
    for (const other of others) this.remove(other);
    before.film.select.value = "";
    const after = this.newPane(before.method.value, before.model.value);
    const next = this.films.findIndex(({ id }) => id === this.film.value) + 1;
    after.film.select.value = (this.films[next] ?? this.films[next - 2])!.id;
    this.minuend.select.value = after.id;
    this.subtrahend.select.value = before.id;
    this.panes.change({ scale: "shared" });
    try {
      await Promise.all([this.fillLayers(after), this.fillTargets()]);
    } catch (error) {
      return this.status.fail(error);
    }
    after.layer.select.value = before.layer.value;
    await Promise.all([this.moved(before), this.moved(after)]);
  }

  private number(): void {
    const { length } = this.choices;
    this.choices.forEach((each, index) => each.setNumber(index, length > FEWEST));
    this.add.disabled = length >= MOST;
    const names = this.choices.map(({ id }, index): [string, string] => [id, `pane ${index + 1}`]);
    const [one, other] = [this.minuend.value, this.subtrahend.value];
    this.minuend.fill([["", "none"], ...names], names.some(([id]) => id === one) ? one : "");
    this.subtrahend.fill(names, names.some(([id]) => id === other) ? other : names[0]?.[0]);
  }

  /** Another film: its findings by the models of the panes, then all maps. */
  private async open(): Promise<void> {
    const opening = ++this.opens;
    this.status.say("Opening the film…");
    try {
      const first = await firstFrame(this.film.value);
      if (opening !== this.opens) return;
      this.first = first;
      this.frames.clear();
      this.findings.clear();
      this.panes.setFirst(first);
      for (const each of this.choices) {
        each.frame = first;
        each.forget("");
      }
      this.show();
      this.showSettings();
      const problems = await Promise.all(this.choices.map((each) => this.place(each)));
      await Promise.all(this.choices.map((each) => this.fillLayers(each)));
      await this.fillTargets();
      if (opening !== this.opens) return;
      await this.explainAll();
      this.finish(problems);
    } catch (error) {
      if (opening === this.opens) this.status.fail(error);
    }
  }

  /** The labels of every model that a pane has, most probable first; whether another is chosen now. */
  private async fillTargets(): Promise<boolean> {
    const models = (): string[] => [...new Set(this.choices.map(({ model }) => model.value))];
    const replies = await Promise.all(models().map(async (model) => [model, await this.findingsOf(model)] as const));
    // Panes may have come and gone meanwhile: what changed them fills the labels again.
    const present = models();
    const found = replies.flatMap(([model, { findings }]) => (present.includes(model) ? findings : []));
    const names = [...new Set(found.map(({ target }) => target))];
    const before = this.target.value;
    this.target.fill(names.map((name) => [name, name]), names.includes(before) ? before : names[0]);
    return this.target.value !== before;
  }

  private findingsOf(model: string): Promise<Findings> {
    const findings = this.findings.get(model) ?? get<Findings>(`models/${model}/findings/${this.film.value}`);
    this.findings.set(model, findings);
    findings.catch(() => this.findings.delete(model));
    return findings;
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
        if (await this.fillTargets()) return await this.explainAll();
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

  /** The film of a pane, laid on the first one; it stays the first one where this fails, for which the reason is given. */
  private async place(choice: PaneChoice): Promise<string> {
    const { first } = this;
    const wanted = choice.film.value;
    let problem = "";
    let frame = first;
    try {
      if (first !== null && wanted !== "" && wanted !== first.id) frame = await this.laterFrame(first, wanted);
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
      choice.film.select.value = "";
    }
    if (first !== this.first || (wanted !== choice.film.value && problem === "")) return "";
    choice.frame = frame;
    this.showPlaces();
    return problem;
  }

  /** Panes of one film have one frame, so that their maps can be subtracted where they are. */
  private async laterFrame(first: Frame, id: string): Promise<Frame> {
    const key = `${first.id} ${id} ${this.alignment.value}`;
    const frame = this.frames.get(key) ?? laterFrame(first, id, this.alignment.value);
    this.frames.set(key, frame);
    frame.catch(() => this.frames.delete(key));
    return frame;
  }

  /** Another film in a pane. */
  private async moved(choice: PaneChoice): Promise<void> {
    choice.requests += 1;
    choice.forget("…");
    this.status.say("Laying the films on each other…");
    const problem = await this.place(choice);
    await this.explain(choice);
    this.finish([problem]);
  }

  /** Another way of laying the films on the first one: the maps stay. */
  private async placeAll(): Promise<void> {
    this.status.say("Laying the films on each other…");
    const problems = await Promise.all(this.choices.map((each) => this.place(each)));
    this.show();
    this.finish(problems);
  }

  private finish(problems: readonly string[]): void {
    const problem = problems.find((each) => each !== "");
    if (problem === undefined) this.status.say("");
    else this.status.fail(problem);
  }

  /** How each other film was laid on the first. */
  private showPlaces(): void {
    const others = new Set(this.choices.map(({ frame }) => frame).filter((frame) => frame !== null && frame !== this.first));
    this.aligning.hidden = others.size === 0;
    const lines = [...others].map((frame) => element("p", {}, element("b", {}, `${frame!.name}: `), frame!.sentences.join(" ")));
    this.laid.replaceChildren(...lines, element("p", {}, UNCHECKED));
  }

  private question(choice: PaneChoice): Question {
    return {
      film: choice.frame?.id ?? this.film.value, model: choice.model.value, target: this.target.value,
      method: choice.method.value, layer: choice.layer.value || "auto",
    };
  }

  /** The map of one pane; what goes wrong stands in the pane. */
  private async explain(choice: PaneChoice): Promise<void> {
    const request = ++choice.requests;
    choice.forget("…");
    this.show();
    const { opens } = this;
    const { frame } = choice;
    try {
      const map = await this.made(choice, this.question(choice));
      if (request !== choice.requests || opens !== this.opens || frame === null) return;
      const layer = layerOf(map, frame.film);
      choice.shown = { map, layer, member: memberOf(layer, map, frame.film) };
      choice.problem = "";
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
    const { first } = this;
    if (first === null) return;
    const named = this.choices.some(({ frame }) => frame !== first);
    const contents = this.choices.map((each, index) => each.content(index, each.frame ?? first, named));
    const [one, other] = [this.minuend, this.subtrahend].map(({ value }) => this.choices.findIndex(({ id }) => id === value));
    this.movement.ask(this.changeQuestion(this.choices[one!], this.choices[other!], first));
    const difference = differencePane(this.choices, one!, other!, first, this.movement.change);
    this.panes.show([...contents, ...difference, ...meanPanes(this.choices, first)]);
    const averaged = averagedPanes(this.choices, first);
    for (const each of this.choices) each.setAveraged(averaged.includes(each));
    this.save.disabled = this.choices.every((each) => each.shown === null);
    this.subtrahend.root.hidden = this.minuend.value === "";
  }

  /** All panes, then with the difference of two, then one pane alone. */
  private nextLayout(): void {
    const { alone } = this.panes;
    const hasDifference = this.minuend.value !== "";
    this.panes.setAlone(hasDifference && !alone);
    if (!hasDifference) {
      this.minuend.choose(this.choices[0]!.id);
      this.subtrahend.choose(this.choices[1]!.id);
    } else if (alone) {
      this.minuend.choose("");
    }
    this.show();
  }

  /** A later film minus the first one, all else being equal; else null. */
  private changeQuestion(later: PaneChoice | undefined, earlier: PaneChoice | undefined, first: Frame): ChangeQuestion | null {
    const [one, other] = [later?.placed, earlier?.placed];
    if (!later || !earlier || !one || !other || other.frame !== first || one.frame === first) return null;
    const question = this.question(earlier);
    const same = { ...this.question(later), film: question.film };
    if (JSON.stringify(same) !== JSON.stringify(question)) return null;
    return { ...question, later: one.frame.id, align: this.alignment.value };
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
    const maps = this.choices.filter((each) => each.shown !== null).map((each) => this.question(each));
    if (maps.length > 0) await saveFile({ kind: "export", maps, write: this.zip.write }, "Writing the ZIP file", this.saving, this.status);
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
