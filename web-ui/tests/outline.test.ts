/** Lines round masks, in closed form. */

import { expect, it } from "vitest";
import { maskOf, outlinesOf } from "../viewer/outline.js";

function outlines(rows: readonly string[]): number[] {
  const isInside = (row: number, column: number): boolean => rows[row]?.[column] === "#";
  return outlinesOf(rows.length, rows[0]!.length, isInside).map((line) => line.length).sort();
}

it("reads runs outside and inside by turns", () => {
  expect([...maskOf([1, 2, 3, 1], 7)]).toEqual([0, 1, 1, 0, 0, 0, 1]);
  expect([...maskOf([0, 2], 2)]).toEqual([1, 1]);
});

it("goes round each part and each hole once, edge by edge", () => {
  expect(outlines(["...", ".#.", "..."])).toEqual([4]);
  expect(outlines(["##", "##"])).toEqual([8]);
  expect(outlines(["###", "#.#", "###"])).toEqual([12, 4]);
  expect(outlines(["#.#"])).toEqual([4, 4]);
  expect(outlines(["#.", ".#"]).reduce((a, b) => a + b)).toBe(8); // two cells that share a corner
  expect(outlines(["..", ".."])).toEqual([]);
});

it("has points in cells, x first", () => {
  const [line] = outlinesOf(1, 3, (row, column) => row === 0 && column === 2);
  expect(line).toEqual([[2, 0], [3, 0], [3, 1], [2, 1]]);
});
