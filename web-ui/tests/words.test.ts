import { describe, expect, it } from "vitest";

import { ends } from "../viewer/words.js";

describe("the ends of an axis", () => {
  it.each([
    [0, 1, ["0", "1"]],
    [-3.456, 12.34, ["−3.5", "12"]],
    [1.2012, 1.2041, ["1.201", "1.204"]],
    [0.5, 0.5, ["0.5", "0.5"]],
    [1, 1 + 1e-9, ["1", "1"]],
  ])("%d and %d", (low, high, texts) => expect(ends(low, high)).toEqual(texts));
});
