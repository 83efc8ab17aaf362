/** Words over the film. */

import { expect, test } from "vitest";
import { linesOf } from "../viewer/marks.js";

const measure = (text: string): number => text.length;

test("a title is broken between words, and ends with an ellipsis where it has too many lines", () => {
  expect(linesOf("nodule", 10, measure)).toEqual(["nodule"]);
  expect(linesOf("nodule of the left lung", 10, measure)).toEqual(["nodule of", "the left", "lung"]);
  expect(linesOf("a b c d e f", 1, measure)).toEqual(["a", "b", "c", "d …"]);
  expect(linesOf("subsegmental", 4, measure)).toEqual(["subsegmental"]); // drawn narrower
});
