/** Review: a reader's verdict on each case, in a random order, the map hidden at first if wanted. */

import type { ViewerData } from "../viewer/data.js";
import { button, element } from "../viewer/dom.js";
import { mountViewer } from "../viewer/mount.js";
import type { Region } from "../viewer/pointer.js";
import type { Viewer } from "../viewer/viewer.js";
import { number } from "../viewer/words.js";
import { type Named, type ShownFilm, get, put } from "./api.js";
import type { OneCase } from "./cohort.js";
import { Choice, Status, answer, answerByKey, field, probabilityText, section } from "./parts.js";

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
  private box: Region | null = null;
  private begun = 0;
  private readonly onKey = (event: KeyboardEvent): void => answerByKey(this.side, event);

  constructor() {
    const stage = element("div", { class: "stage" }, this.host, this.status.root);
    this.root = element("div", { class: "explain" }, this.side, stage);
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
      const film = await get<ShownFilm>(`films/${one.film}`);
      this.status.say("");
      this.begun = performance.now();
      this.box = null;
      const about = `Case ${progress.done + 1} of ${progress.total}`;
      if (this.blinded.checked) this.showFilm(one, film, about);
      else this.showMap(one, film, about, null);
    } catch (error) {
      this.status.fail(error);
    }
  }

  /** The film alone: is the finding there? */
  private showFilm(one: OneCase, film: ShownFilm, about: string): void {
    this.show(film, []);
    const answers = FINDINGS.map((finding, i) =>
      answer(i, finding, () => this.showMap(one, film, about, finding)));
    const draw = button("Draw where", "Draw a box where you see it (w)", null, () => this.viewer?.change({ tool: "region" }));
    this.side.replaceChildren(
      section(about, element("p", {}, "Is there ", element("b", {}, String(one.case["target"])), "?"), ...answers, draw),
      this.stopButton(),
    );
    answers[0]!.focus();
  }

  /** The map and the prediction: does the map show where the finding is? */
  private showMap(one: OneCase, film: ShownFilm, about: string, finding: string | null): void {
    this.show(film, one.maps.slice(0, 1));
    if (this.box !== null) this.viewer?.setRegion(this.box);
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

  private show(film: ShownFilm, maps: ViewerData["maps"]): void {
    const data = {
      film: film.film, maps, boxes: [], outlines: [],
      notice: "Research use only", synthetic: film.synthetic, colormap: null,
    };
    if (this.viewer !== null) {
      void this.viewer.show(data);
      return;
    }
    this.viewer = mountViewer(this.host, data, {
      onRegion: (box, done) => {
        if (done) this.box = { ...box };
      },
    });
  }

  private async save(one: OneCase, finding: string | null, verdict: string, note: string): Promise<void> {
    const { box } = this;
    const region = box === null ? null : [box.x, box.y, box.width, box.height];
    const seconds = (performance.now() - this.begun) / 1000;
    const review = { reader: this.reader.value.trim(), verdict, finding, note, region, seconds };
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
        const interval = low === null || high === null ? "" : ` (${number(low)} to ${number(high)})`;
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
