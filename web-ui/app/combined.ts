/** The panes that are made of others: a difference, the mean and the disagreement. */

import type { MapData } from "../viewer/data.js";
import { combine } from "../viewer/ensemble.js";
import { percent, probabilityText } from "../viewer/words.js";
import { differenceOf } from "./carried.js";
import type { Frame } from "./frame.js";
import type { Change } from "./movement.js";
import type { PaneChoice } from "./pane_choice.js";
import type { PaneContent } from "./pane.js";
import { signed } from "./parts.js";

export const FEWEST = 2;

/**
 * Pane `i` minus pane `j`, on the film of both or on the first; none where `i` is below 0. `change`:
 * from the first film to that of pane `i`, where it is known.
 */
export function differencePane(
  choices: readonly PaneChoice[],
  i: number,
  j: number,
  first: Frame,
  change: Change | null,
): PaneContent[] {
  if (i < 0) return [];
  const [one, other] = [choices[i]?.placed, choices[j]?.placed];
  const name = `Difference: ${i + 1} − ${j + 1}`;
  const none = { title: name, layer: null, combined: true, frame: first };
  if (i === j) return [{ ...none, problem: "choose two panes" }];
  if (!one || !other) return [{ ...none, problem: "needs a map in both panes" }];
  const { layer, frame, compared, sameUnit } = differenceOf(one, other, first);
  const parts = [name];
  if (one.frame !== other.frame) parts.push(`on ${frame.name}`, `${percent(compared)} of it can be compared`);
  if (!sameUnit) parts.push("each map divided by its largest value");
  parts.push(...changeOfScore(one.map, other.map));
  const moved = change?.moved_score_change ?? null;
  if (change !== null && moved !== null) parts.push(`by movement alone ${change.score_kind} ${signed(moved)}`);
  return [{ title: parts.join(" · "), layer, problem: "", combined: true, frame }];
}

/** By how much the score of one map is above that of another. */
function changeOfScore(one: MapData, other: MapData): string[] {
  if (one.score === null || other.score === null || one.score_kind !== other.score_kind) return [];
  const change = `${one.score_kind} ${signed(one.score - other.score)}`;
  if (one.probability === null || other.probability === null || one.score_kind === "probability") return [change];
  return [change, `probability ${probabilityText(other.probability)} → ${probabilityText(one.probability)}`];
}

/** The panes whose maps are averaged: those of the first film, where they are two or more. */
export function averagedPanes(choices: readonly PaneChoice[], first: Frame): readonly PaneChoice[] {
  const onFirst = choices.filter(({ frame }) => (frame ?? first) === first);
  return onFirst.length < FEWEST ? [] : onFirst;
}

/** The mean and the disagreement of the maps that have a weight; none where fewer than two have one film. */
export function meanPanes(choices: readonly PaneChoice[], first: Frame): PaneContent[] {
  const averaged = averagedPanes(choices, first);
  if (averaged.length === 0) return [];
  const made = averaged.filter((each) => each.shown !== null && Number(each.weight.value) > 0);
  const titles = [`Mean of ${made.length} maps`, "Disagreement: standard deviation"];
  const about = { combined: true, frame: first };
  if (made.length < FEWEST) {
    const problem = "needs two maps with a weight above 0";
    return titles.map((title) => ({ ...about, title, layer: null, problem }));
  }
  const weights = made.map((each) => Number(each.weight.value));
  const { mean, spread } = combine(made.map((each) => each.shown!.member), weights, first.film);
  return [mean, spread].map((layer, i) => ({ ...about, title: titles[i]!, layer, problem: "" }));
}
