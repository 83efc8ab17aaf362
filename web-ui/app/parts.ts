/** Elements that the pages share. */

import { button, element } from "../viewer/dom.js";
import { number, probabilityText } from "../viewer/words.js";
import { type Job, type Score, cancelJob } from "./api.js";

/** A labelled choice. */
export class Choice {
  readonly root: HTMLLabelElement;
  readonly select: HTMLSelectElement;

  constructor(label: string, onChange: (value: string) => void) {
    this.select = element("select", { "aria-label": label });
    this.root = element("label", { class: "choice" }, element("span", {}, label), this.select);
    this.select.addEventListener("change", () => {
      this.showTitle();
      onChange(this.select.value);
    });
  }

  get value(): string {
    return this.select.value;
  }

  fill(options: readonly (readonly [string, string])[], chosen?: string): void {
    const made = options.map(([value, text]) => element("option", { value }, text));
    this.select.replaceChildren(...made);
    if (chosen !== undefined) this.select.value = chosen;
    this.showTitle();
  }

  /** Choose without an effect. */
  choose(value: string): void {
    this.select.value = value;
    this.showTitle();
  }

  /** Choose the option so many further on, round its ends, as a person does. */
  step(by: number): void {
    const { length, selectedIndex } = this.select;
    if (length < 2) return;
    this.select.selectedIndex = (selectedIndex + by + length) % length;
    this.select.dispatchEvent(new Event("change"));
  }

  /** A text that is too long for its place is read under the pointer. */
  private showTitle(): void {
    this.select.title = this.select.selectedOptions[0]?.textContent ?? "";
  }
}

/** A part of the side with a heading. */
export function section(title: string, ...children: (Node | string)[]): HTMLElement {
  return element("section", {}, element("h2", {}, title), ...children);
}

/** Where errors and the state of the work are said. */
export class Status {
  readonly root = element("p", { class: "status", role: "status", "aria-live": "polite" });

  say(text: string): void {
    this.root.classList.remove("error");
    this.root.textContent = text;
  }

  fail(error: unknown): void {
    this.failEach([error instanceof Error ? error.message : String(error)]);
  }

  /** Several errors, a line each. */
  failEach(reasons: readonly string[]): void {
    this.root.classList.add("error");
    this.root.replaceChildren(...reasons.map((reason) => element("span", {}, reason)));
  }
}

/** The state of long work, with a button that cancels it. */
export class ProgressLine {
  readonly root: HTMLElement;
  private readonly text = element("span");
  private readonly bar: HTMLProgressElement;
  private job = "";

  constructor(private readonly what: string) {
    this.bar = element("progress", { "aria-label": what });
    const stop = button("Cancel", `Cancel: ${what}`, null, () => cancelJob(this.job));
    this.root = element("div", { class: "progress" }, this.text, this.bar, stop);
  }

  /** Show a job in a place, where the button keeps the focus that it may have. */
  show(job: Job<unknown>, place: HTMLElement): void {
    const { done, total } = job;
    this.job = job.id;
    const words = progressWords(job);
    this.text.textContent = words === "" ? this.what : `${this.what}: ${words}`;
    if (total > 0) {
      this.bar.max = total;
      this.bar.value = done;
    }
    if (!this.root.isConnected) place.replaceChildren(this.root);
  }
}

export function progressWords({ state, done, total, offline }: Job<unknown>): string {
  if (offline) return "the server does not answer; once it does, the work goes on";
  if (state === "queued") return "waits for other work";
  return total > 0 ? `${done} of ${total}` : "";
}

/** A score for people: its probability where it has one. */
export function scoreText(score: Score, kind: string): string {
  const { probability } = score;
  if (probability === null || kind === "probability") return `${kind} ${number(score.score)}`;
  return `probability ${probabilityText(probability)}, ${kind} ${number(score.score)}`;
}

export function signed(value: number): string {
  return value > 0 ? `+${number(value)}` : number(value);
}

/** A labelled field. */
export function field(label: string, input: HTMLElement): HTMLElement {
  return element("label", { class: "choice" }, element("span", {}, label), input);
}

/** An answer that a number key gives, too: see answerByKey. */
export function answer(index: number, text: string, action: () => void): HTMLButtonElement {
  const made = button(`${index + 1}  ${text}`, `${text} (${index + 1})`, null, action);
  made.classList.add("answer");
  made.dataset["key"] = String(index + 1);
  return made;
}

/** Give the answer of a number key, unless a text is being written. */
export function answerByKey(side: HTMLElement, event: KeyboardEvent): void {
  const typing = event.target instanceof HTMLTextAreaElement || event.target instanceof HTMLInputElement;
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const chosen = side.querySelector<HTMLButtonElement>(`[data-key="${CSS.escape(event.key)}"]`);
  if (chosen === null) return;
  event.preventDefault();
  event.stopPropagation();
  chosen.click();
}

/** Save an answer, during which no other can be given. */
export async function saveAnswer(side: HTMLElement, save: () => Promise<void>): Promise<void> {
  const answers = [...side.querySelectorAll<HTMLButtonElement>(".answer")];
  for (const each of answers) each.disabled = true;
  try {
    await save();
  } finally {
    for (const each of answers) each.disabled = false;
  }
}

/** Of a run whose model does not reproduce the predictions that its training stored. */
export const MISMATCH = "NOT THE MODEL OF THE STORED PREDICTIONS";

export const SYNTHETIC_FILMS = "The model was trained on SYNTHETIC films.";

/** Stands wherever the findings of such a model do. */
export const SYNTHETIC_MODEL = "Trained on SYNTHETIC films: what it finds says nothing of a real one.";
