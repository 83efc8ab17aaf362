/** A reader study: each case in the arm that the server chose, and the arms compared. */

import type { FilmData, MapData } from "../viewer/data.js";
import { button, element } from "../viewer/dom.js";
import { mountViewer } from "../viewer/mount.js";
import type { Viewer } from "../viewer/viewer.js";
import { number, probabilityText } from "../viewer/words.js";
import { get, post } from "./api.js";
import { type Measurement, trust } from "./cohort.js";
import { Status, answer, answerByKey, field, saveAnswer, section } from "./parts.js";

const RATINGS = [
  "definitely absent", "probably absent", "possibly absent",
  "possibly present", "probably present", "definitely present",
] as const;

const MEASURES: Readonly<Record<string, string>> = {
  auc: "AUC of the ratings",
  accuracy: "Accuracy",
  sensitivity: "Sensitivity",
  specificity: "Specificity",
  seconds: "Time of a case (geometric mean)",
};

export interface StudyAbout {
  readonly run: string;
  readonly cases: number;
  readonly arms: readonly string[];
  readonly sessions: number;
  readonly washout: number;
}

interface Task {
  readonly case: number;
  readonly position: number;
  readonly arm: string;
  readonly label: string;
  readonly film: FilmData;
  readonly synthetic: boolean;
  readonly maps: readonly MapData[];
  readonly numbers: {
    readonly probability: number | null;
    readonly score: number | null;
    readonly trust: readonly Measurement[];
  } | null;
}

interface Progress {
  readonly session: number;
  readonly sessions: number;
  readonly total: number;
  readonly done: number;
  readonly opens: string | null;
  readonly task: Task | null;
}

interface Figure {
  readonly measure: string;
  readonly arm: string;
  readonly against: string | null;
  readonly readers: number;
  readonly readers_resampled: boolean;
  readonly estimate: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly patients: number;
  readonly readings: number;
}

export class StudyPage {
  readonly root: HTMLElement;
  private readonly status = new Status();
  private readonly reader = element("input", { type: "text", maxlength: 80, "aria-label": "Reader" });
  private readonly side = element("div", { class: "panel" });
  private readonly stage = element("div", { class: "stage" });
  private viewer: Viewer | null = null;
  private begun = 0;
  private readonly onKey = (event: KeyboardEvent): void => answerByKey(this.side, event);

  constructor(private readonly about: StudyAbout) {
    this.root = element("div", { class: "explain reading" }, this.side, this.stage);
    document.addEventListener("keydown", this.onKey, true);
  }

  start(): Promise<void> {
    this.showStart();
    return Promise.resolve();
  }

  stop(): void {
    document.removeEventListener("keydown", this.onKey, true);
    this.viewer?.dispose();
  }

  private showStart(): void {
    this.viewer?.dispose();
    this.viewer = null;
    this.stage.replaceChildren(element("div", {}), this.status.root);
    const { about } = this;
    const go = button("Start or go on", "Start reading, or go on with it", null, () => void this.next());
    const compare = button("Compare the arms", "Compare the arms; not for a reader before the end", null, () => void this.compare());
    const again = about.sessions > 1 ? ` in each of ${about.sessions} sessions, which are ${about.washout} days apart` : "";
    this.side.replaceChildren(
      section(
        "Reader study",
        element("p", {}, `You read ${about.cases} cases${again}. For each you say whether the finding is present. A reading is final.`),
        element("p", { class: "quiet" }, `Each case is shown in one of three ways: ${about.arms.join("; ")}. Your time for each case is measured: pause only between two cases.`),
        field("Reader", this.reader),
        go,
      ),
      section(
        "Results",
        element("p", { class: "quiet" }, "Not for a reader before the end of the study."),
        element("div", { class: "buttons" }, compare),
        element("a", { href: "/api/study/readings.csv", download: true }, "All readings as CSV"),
      ),
    );
  }

  private async next(): Promise<void> {
    const reader = this.reader.value.trim();
    if (reader === "") {
      this.status.fail("Enter the reader's name or number first.");
      return;
    }
    try {
      const query = new URLSearchParams({ reader });
      const progress = await get<Progress>(`study/next?${query.toString()}`);
      this.status.say("");
      if (progress.task === null) this.showEnd(progress);
      else this.showTask(progress, progress.task);
    } catch (error) {
      this.status.fail(error);
    }
  }

  private showEnd(progress: Progress): void {
    this.showStart();
    if (progress.opens === null) {
      this.status.say("All cases are read. Thank you.");
      return;
    }
    const day = new Date(progress.opens).toLocaleString();
    this.status.say(`Session ${progress.session} of ${progress.sessions} opens on ${day}, after the washout.`);
  }

  private showTask(progress: Progress, task: Task): void {
    const data = {
      film: task.film, maps: task.maps, boxes: [], outlines: [],
      notice: "Research use only", synthetic: task.synthetic, colormap: null,
    };
    if (this.viewer === null) {
      const host = element("div", { class: "host" });
      this.stage.replaceChildren(host, this.status.root);
      this.viewer = mountViewer(host, data);
    } else {
      void this.viewer.show(data);
    }
    const note = element("textarea", { rows: 2, maxlength: 2000, "aria-label": "Note", placeholder: "Note" });
    const answers = RATINGS.map((rating, i) =>
      answer(i, rating, () => void this.save(task, i + 1, note.value)));
    const where = `Session ${progress.session} of ${progress.sessions}, case ${task.position} of ${progress.total}`;
    const children: Node[] = [
      section(
        where,
        element("p", {}, "Is ", element("b", {}, task.label), " present?"),
        element("p", { class: "quiet" }, `Shown: ${task.arm}`),
        ...answers,
        note,
      ),
    ];
    if (task.numbers !== null) children.push(section("The model", ...numbers(task.numbers)));
    children.push(button("Stop here", "Stop; the study goes on here later", null, () => this.showStart()));
    this.side.replaceChildren(...children);
    this.side.scrollTop = 0;
    answers[0]!.focus();
    this.begun = performance.now();
  }

  private async save(task: Task, rating: number, note: string): Promise<void> {
    const seconds = (performance.now() - this.begun) / 1000;
    const reading = { reader: this.reader.value.trim(), case: task.case, rating, seconds, note };
    try {
      await saveAnswer(this.side, async () => {
        await post("study/readings", reading);
        await this.next();
      });
    } catch (error) {
      this.status.fail(error);
    }
  }

  private async compare(): Promise<void> {
    try {
      const figures = await get<Figure[]>("study/results");
      const none = element("p", { class: "quiet" }, "There is no reading yet.");
      const parts = figures.length > 0 ? comparison(figures) : [none];
      this.status.say("");
      this.stage.replaceChildren(element("div", { class: "results" }, ...parts), this.status.root);
    } catch (error) {
      this.status.fail(error);
    }
  }
}

function numbers({ probability, score, trust: measured }: NonNullable<Task["numbers"]>): HTMLElement[] {
  const predicted = probability === null
    ? element("p", {}, "score ", element("b", {}, score === null ? "–" : number(score)))
    : element("p", {}, "probability ", element("b", {}, probabilityText(probability)));
  return measured.length > 0 ? [predicted, ...trust(measured)] : [predicted];
}

/** A table a measure: the arms, then the differences. */
function comparison(figures: readonly Figure[]): HTMLElement[] {
  const names = [...new Set(figures.map(({ measure }) => measure))];
  const parts = names.map((measure) => {
    const rows = figures.filter((figure) => figure.measure === measure).map(row);
    const head = element("tr", {}, ...["", "estimate", "95 % interval", "readers", "patients", "readings"].map(
      (text) => element("th", { scope: "col" }, text),
    ));
    return section(MEASURES[measure] ?? measure, element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows)));
  });
  const alone = figures.some(({ readers_resampled: resampled }) => !resampled);
  const about = alone
    ? "Patients are resampled. With fewer than three readers the intervals are of these readers alone."
    : "Readers and patients are resampled, independently of each other (multi-reader multi-case bootstrap).";
  return [...parts, element("p", { class: "quiet" }, about)];
}

/** With its sign and as many decimals as what it is a difference of. */
function difference(value: number): string {
  const digits = Math.abs(value).toFixed(3);
  if (Number(digits) === 0) return digits;
  return value > 0 ? `+${digits}` : `−${digits}`;
}

function row(figure: Figure): HTMLElement {
  const { measure, arm, against, estimate, low, high } = figure;
  const isRatio = measure === "seconds" && against !== null;
  const text = (value: number): string => {
    if (measure === "seconds") return against === null ? `${number(value)} s` : `× ${number(value)}`;
    return against === null ? value.toFixed(3) : difference(value);
  };
  const name = against === null ? arm : `${arm} ${isRatio ? "÷" : "−"} ${against}`;
  const interval = low === null || high === null ? "none: too few patients" : `${text(low)} to ${text(high)}`;
  const cells = [estimate === null ? "–" : text(estimate), interval, figure.readers, figure.patients, figure.readings];
  return element(
    "tr",
    against === null ? {} : { class: "difference" },
    element("th", { scope: "row" }, name),
    ...cells.map((cell) => element("td", {}, String(cell))),
  );
}
