import { describe, expect, it } from "vitest";

import { ends, probabilityText } from "../viewer/words.js";

describe("the ends of an axis", () => {
  it.each([
    [0, 1, ["0", "1"]],
    [-3.456, 12.34, ["−3.5", "12"]],
    [1.2012, 1.2041, ["1.201", "1.204"]],
    [0.5, 0.5, ["0.5", "0.5"]],
    [1, 1 + 1e-9, ["1", "1"]],
  ])("%d and %d", (low, high, texts) => expect(ends(low, high)).toEqual(texts));
});

describe("a probability", () => {
  it.each([[0, "0.000"], [0.00016, "< 0.001"], [0.0005, "0.001"], [0.8, "0.800"]])("%d", (value, text) =>
    expect(probabilityText(value)).toBe(text));
});
