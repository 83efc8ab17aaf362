/** Review: a reader's verdict on each case, in a random order, the map hidden at first if wanted. */

import { button, element } from "../viewer/dom.js";
import { mountViewer } from "../viewer/mount.js";
import type { Settings, Tool } from "../viewer/settings.js";
import type { Viewer } from "../viewer/viewer.js";
import { number, probabilityText } from "../viewer/words.js";
import { type Named, get, put } from "./api.js";
import { BrushTools } from "./brush_tools.js";
import { type AnyMap, type Samples, viewerData } from "./shown.js";
import { Choice, Status, answer, answerByKey, field, saveAnswer, section } from "./parts.js";

const VERDICTS = ["agrees", "partly", "artefact", "cannot say"] as const;
const FINDINGS = ["present", "absent", "cannot say"] as const;

/** What the reader said of the film alone. */
interface FilmFinding {
  readonly finding: string;
  readonly region: readonly number[] | null;
  readonly mask: string | null;
  readonly seconds: number | null;
}

/** What the server withholds from a blinded reader at first. */
interface Revealed {
  readonly maps: readonly AnyMap[];
  readonly probability: number | null;
}

interface Answered {
  readonly finding: FilmFinding;
  readonly revealed: Revealed;
}

interface ReviewCase extends Samples {
  readonly number: number;
  readonly target: string;
  readonly finding: FilmFinding | null;
  readonly revealed: Revealed | null;
}

interface Progress {
  readonly total: number;
  readonly done: number;
  readonly case: ReviewCase | null;
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
      const seed = String(this.seed.valueAsNumber || 0);
      const query = new URLSearchParams({ reader, seed, blinded: String(this.blinded.checked) });
      const progress = await get<Progress>(`runs/${this.run.value}/review?${query.toString()}`);
      if (progress.case === null) {
        this.showStart();
        this.status.say(`All ${progress.total} cases have a verdict of ${reader}.`);
        return;
      }
      this.status.say("");
      await this.begin(progress.case, `Case ${progress.done + 1} of ${progress.total}`);
    } catch (error) {
      this.status.fail(error);
    }
  }

  private async begin(one: ReviewCase, about: string): Promise<void> {
    const { finding, revealed } = one;
    this.begun = performance.now() - 1000 * (finding?.seconds ?? 0);
    await this.show(one, []);
    this.erase();
    this.viewer!.marking.locked = false;
    if (revealed === null) this.askFinding(one, about);
    else await this.reveal(one, about, finding, revealed);
  }

  /** The film alone: is the finding there? */
  private askFinding(one: ReviewCase, about: string): void {
    const answers = FINDINGS.map((finding, i) =>
      answer(i, finding, () => void this.saveFinding(one, about, finding)));
    this.side.replaceChildren(
      section(
        about,
        element("p", {}, "Is ", element("b", {}, one.target), one.volume === undefined ? " present? Draw where, then answer." : " present?"),
        this.tools,
        ...answers,
      ),
      this.stopButton(),
    );
    answers[0]!.focus();
  }

  private async saveFinding(one: ReviewCase, about: string, finding: string): Promise<void> {
    try {
      const said = { reader: this.reader.value.trim(), finding, seconds: this.seconds, ...this.drawn };
      await saveAnswer(this.side, async () => {
        const reply = await put<Answered>(`runs/${this.run.value}/cases/${one.number}/finding`, said);
        await this.reveal(one, about, reply.finding, reply.revealed);
      });
    } catch (error) {
      this.status.fail(error);
    }
  }

  /** What was drawn on the film alone stays as it is, and is shown with the map. */
  private async reveal(one: ReviewCase, about: string, finding: FilmFinding | null, revealed: Revealed): Promise<void> {
    await this.show(one, revealed.maps);
    if (finding !== null) {
      this.showDrawn(finding);
      this.viewer!.marking.locked = true;
      this.viewer!.change({ tool: "pan" });
    }
    this.askVerdict(one, about, revealed, finding !== null);
  }

  private showDrawn({ region, mask }: FilmFinding): void {
    if (mask !== null) return this.viewer!.marking.showPainting(mask);
    const [x, y, width, height] = region ?? [];
    this.viewer!.setRegion(region === null ? null : { x: x!, y: y!, width: width!, height: height! });
  }

  /** The map and the prediction: does the map show where the finding is? */
  private askVerdict(one: ReviewCase, about: string, { probability }: Revealed, isDrawn: boolean): void {
    const note = element("textarea", { rows: 3, maxlength: 2000, "aria-label": "Note", placeholder: "Note" });
    const answers = VERDICTS.map((verdict, i) =>
      answer(i, verdict, () => void this.save(one, verdict, note.value)));
    const predicted = probability === null ? "" : `probability ${probabilityText(probability)}`;
    this.side.replaceChildren(
      section(
        about,
        element("p", {}, element("b", {}, one.target), ` ${predicted}`),
        element("p", {}, "Does the map show where you see it?"),
        ...(isDrawn ? [] : [this.tools]),
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

  /** From the film to now. */
  private get seconds(): number {
    return (performance.now() - this.begun) / 1000;
  }

  private async show(film: Samples, maps: readonly AnyMap[]): Promise<void> {
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

  private async save(one: ReviewCase, verdict: string, note: string): Promise<void> {
    const review = { reader: this.reader.value.trim(), verdict, note, seconds: this.seconds, ...this.drawn };
    try {
      await saveAnswer(this.side, async () => {
        await put(`runs/${this.run.value}/cases/${one.number}/review`, review);
        await this.next();
      });
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
