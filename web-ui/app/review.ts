/** Review: a reader's verdict on each case, in a random order, the map hidden at first if wanted. */

import { button, element } from "../viewer/dom.js";
import { mountViewer } from "../viewer/mount.js";
import type { Settings, Tool } from "../viewer/settings.js";
import type { Viewer } from "../viewer/viewer.js";
import { number, probabilityText } from "../viewer/words.js";
import { type Named, type ShownFilm, get, put } from "./api.js";
import { BrushTools } from "./brush_tools.js";
import { type OneCase, filmOf } from "./cohort.js";
import { type AnyMap, viewerData } from "./shown.js";
import { Choice, Status, answer, answerByKey, field, section } from "./parts.js";

const VERDICTS = ["agrees", "partly", "artefact", "cannot say"] as const;
const FINDINGS = ["present", "absent", "cannot say"] as const;

interface Progress {
  readonly total: number;
  readonly done: number;
  readonly next: number | null;
}

interface Agreement {
  readonly readers: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly pairs: readonly {
    readonly readers: readonly [string, string];
    readonly cases: number;
    readonly kappa: number | null;
    readonly low: number | null;
    readonly high: number | null;
  }[];
}

export class ReviewPage {
  readonly root: HTMLElement;
  private readonly status = new Status();
  private readonly run = new Choice("Run", () => void this.showAgreement());
  private readonly reader = element("input", { type: "text", maxlength: 80, "aria-label": "Reader" });
  private readonly seed = element("input", { type: "number", min: 0, value: 0, "aria-label": "Seed of the order" });
  private readonly blinded = element("input", { type: "checkbox", checked: true });
  private readonly side = element("div", { class: "panel" });
  private readonly host = element("div", { class: "host" });
  private readonly agreement = element("div", {});
  private viewer: Viewer | null = null;
  private readonly draw = button("Draw a box", "Draw a box where you see it (w)", false, () => this.toggle("region"));
  private readonly brush = new BrushTools({
    toggle: () => this.toggle("brush"),
    change: (settings) => this.viewer?.change(settings),
    clear: () => this.erase(),
  });
  private readonly tools = element("div", { class: "drawing" });
  /** Where the reader sees it, as the server takes it. */
  private drawn: { readonly region?: readonly number[]; readonly mask?: string } = {};
  private tool: Tool = "pan";
  private begun = 0;
  private readonly onKey = (event: KeyboardEvent): void => answerByKey(this.side, event);

  constructor() {
    const stage = element("div", { class: "stage" }, this.host, this.status.root);
    this.tools.append(element("div", { class: "buttons" }, this.draw, this.brush.button), this.brush.root);
    this.root = element("div", { class: "explain reading" }, this.side, stage);
    document.addEventListener("keydown", this.onKey, true);
  }

  async start(): Promise<void> {
    try {
      const runs = await get<Named[]>("runs");
      this.run.fill(runs.map(({ id }) => [id, id]));
      this.showStart();
    } catch (error) {
      this.status.fail(error);
    }
  }

  stop(): void {
    document.removeEventListener("keydown", this.onKey, true);
    this.viewer?.dispose();
  }

  private showStart(): void {
    this.clearViewer();
    const go = button("Start or go on", "Start the review, or go on with it", null, () => void this.next());
    this.side.replaceChildren(
      section("Review", this.run.root, field("Reader", this.reader), field("Seed", this.seed)),
      element("label", {}, this.blinded, " film alone first, map and prediction after the answer"),
      go,
      section("Agreement", this.agreement),
    );
    void this.showAgreement();
  }

  private clearViewer(): void {
    this.viewer?.dispose();
    this.viewer = null;
    this.host.replaceChildren();
    this.host.hidden = true; // on a narrow screen it would stand above the form
  }

  private async next(): Promise<void> {
    const reader = this.reader.value.trim();
    if (reader === "") {
      this.status.fail("Enter the reader's name or number first.");
      return;
    }
    try {
      const query = new URLSearchParams({ reader, seed: String(this.seed.valueAsNumber || 0) });
      const progress = await get<Progress>(`runs/${this.run.value}/review?${query.toString()}`);
      if (progress.next === null) {
        this.showStart();
        this.status.say(`All ${progress.total} cases have a verdict of ${reader}.`);
        return;
      }
      const one = await get<OneCase>(`runs/${this.run.value}/cases/${progress.next}`);
      const film = await filmOf(one);
      this.status.say("");
      this.begun = performance.now();
      const about = `Case ${progress.done + 1} of ${progress.total}`;
      const maps = this.blinded.checked ? [] : one.maps.slice(0, 1);
      await this.show(film, maps);
      this.erase();
      this.viewer!.marking.locked = false;
      if (this.blinded.checked) this.askFinding(one, film, about);
      else this.askVerdict(one, about, null);
    } catch (error) {
      this.status.fail(error);
    }
  }

  /** The film alone: is the finding there? */
  private askFinding(one: OneCase, film: ShownFilm, about: string): void {
    const answers = FINDINGS.map((finding, i) =>
      answer(i, finding, () => void this.showMap(one, film, about, finding)));
    this.side.replaceChildren(
      section(
        about,
        element("p", {}, "Is ", element("b", {}, String(one.case["target"])), film.volume === undefined ? " present? Draw where, then answer." : " present?"),
        this.tools,
        ...answers,
      ),
      this.stopButton(),
    );
    answers[0]!.focus();
  }

  /** The answer is given: what was drawn before the map stays as it is, and is shown with it. */
  private async showMap(one: OneCase, film: ShownFilm, about: string, finding: string): Promise<void> {
    const { region, painting } = this.viewer!.stage;
    await this.show(film, one.maps.slice(0, 1));
    Object.assign(this.viewer!.stage, { region, painting });
    this.viewer!.marking.locked = true;
    this.viewer!.change({ tool: "pan" });
    this.askVerdict(one, about, finding);
  }

  /** The map and the prediction: does the map show where the finding is? */
  private askVerdict(one: OneCase, about: string, finding: string | null): void {
    const note = element("textarea", { rows: 3, maxlength: 2000, "aria-label": "Note", placeholder: "Note" });
    const answers = VERDICTS.map((verdict, i) =>
      answer(i, verdict, () => void this.save(one, finding, verdict, note.value)));
    const probability = one.case["probability"];
    const predicted = typeof probability === "number" ? `probability ${probabilityText(probability)}` : "";
    this.side.replaceChildren(
      section(
        about,
        element("p", {}, element("b", {}, String(one.case["target"])), ` ${predicted}`),
        element("p", {}, "Does the map show where you see it?"),
        ...(finding === null ? [this.tools] : []),
        ...answers,
        note,
      ),
      this.stopButton(),
    );
    answers[0]!.focus();
  }

  private stopButton(): HTMLElement {
    return button("Stop here", "Stop; the review goes on here later", null, () => this.showStart());
  }

  private toggle(tool: Tool): void {
    this.viewer?.change({ tool: this.tool === tool ? "pan" : tool });
  }

  /** Nothing is drawn yet. */
  private erase(): void {
    this.drawn = {};
    this.viewer?.setRegion(null);
  }

  private showSettings(settings: Settings): void {
    this.tool = settings.tool;
    this.draw.setAttribute("aria-pressed", String(this.tool === "region"));
    this.brush.show(settings);
  }

  private async show(film: ShownFilm, maps: readonly AnyMap[]): Promise<void> {
    this.tools.hidden = film.volume !== undefined; // a box would be of one plane
    const data = viewerData(film, maps);
    if (this.viewer !== null) {
      await this.viewer.show(data);
      return;
    }
    this.host.hidden = false;
    this.viewer = mountViewer(this.host, data, {
      onRegion: ({ x, y, width, height }, done) => {
        if (done) this.drawn = { region: [x, y, width, height] };
      },
      onPaint: (painting) => {
        this.drawn = painting.isEmpty ? {} : { mask: painting.runs() };
      },
      onChange: (settings) => this.showSettings(settings),
    });
  }

  private async save(one: OneCase, finding: string | null, verdict: string, note: string): Promise<void> {
    const seconds = (performance.now() - this.begun) / 1000;
    const review = { reader: this.reader.value.trim(), verdict, finding, note, seconds, ...this.drawn };
    try {
      await put(`runs/${this.run.value}/cases/${one.case.case_id}/review`, review);
      await this.next();
    } catch (error) {
      this.status.fail(error);
    }
  }

  private async showAgreement(): Promise<void> {
    try {
      const { readers, pairs } = await get<Agreement>(`runs/${this.run.value}/agreement`);
      const rows = Object.entries(readers).map(([name, counts]) => {
        const said = Object.entries(counts).map(([verdict, count]) => `${verdict} ${count}`).join(", ");
        return element("p", {}, element("b", {}, name), `: ${said}`);
      });
      const kappas = pairs.map(({ readers: [a, b], cases, kappa, low, high }) => {
        const interval = low === null || high === null ? " (no interval: too few patients)" : ` (${number(low)} to ${number(high)})`;
        const value = kappa === null ? "undefined" : number(kappa) + interval;
        return element("p", {}, `${a} and ${b}, ${cases} cases: kappa ${value}`);
      });
      const csv = element("a", { href: `/api/runs/${this.run.value}/reviews.csv`, download: true }, "All verdicts as CSV");
      const none = element("p", { class: "quiet" }, "There is no verdict yet.");
      this.agreement.replaceChildren(...(rows.length > 0 ? [...rows, ...kappas, csv] : [none]));
    } catch (error) {
      this.status.fail(error);
    }
  }
}
