/** What changed between two films of a patient, beside what movement alone changes. */

import { element } from "../viewer/dom.js";
import { type Question, post } from "./api.js";

/** What POST /api/change is sent. */
export interface ChangeQuestion extends Question {
  readonly later: string;
  readonly align: string;
}

/** What it answers, as `camlucida change` has it. */
export interface Change {
  readonly score_kind: string;
  /** Of the first film, moved as the later one lies; null where it was not moved. */
  readonly moved_score_change: number | null;
  readonly sentences: readonly string[];
}

export class Movement {
  readonly root = element("div", { class: "notes", role: "status" });
  /** Of the pair that is shown; null before it is known. */
  change: Change | null = null;
  private asked = "null";

  constructor(private readonly onKnown: () => void) {}

  /** Ask about a pair of maps, once; null: there is none. */
  ask(question: ChangeQuestion | null): void {
    const asked = JSON.stringify(question);
    if (asked === this.asked) return;
    this.asked = asked;
    this.change = null;
    this.say(question === null ? [] : ["Measuring what movement alone changes…"]);
    if (question !== null) void this.measure(question, asked);
  }

  private async measure(question: ChangeQuestion, asked: string): Promise<void> {
    try {
      const change = await post<Change>("change", question);
      if (asked !== this.asked) return; // another pair is shown meanwhile
      this.change = change;
      this.say(change.sentences);
      this.onKnown();
    } catch (error) {
      if (asked !== this.asked) return;
      const reason = error instanceof Error ? error.message : String(error);
      this.say([`What movement alone changes was not measured: ${reason}.`]);
    }
  }

  private say(sentences: readonly string[]): void {
    this.root.replaceChildren(...sentences.map((each) => element("p", {}, each)));
  }
}
