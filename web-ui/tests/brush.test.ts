/** A painted region: what a brush covers, and its runs, in closed form. */

import { expect, it } from "vitest";
import { Painting } from "../viewer/brush.js";

/** The film's pixels that the runs have inside, as the server reads them. */
function masked(painting: Painting): boolean[] {
  const lengths = painting.runs().split(" ").map(Number);
  return lengths.flatMap((length, i) => Array<boolean>(length).fill(i % 2 === 1));
}

function area(painting: Painting): number {
  return masked(painting).filter(Boolean).length;
}

it("has no pixel before it is painted", () => {
  const painting = new Painting({ width: 5, height: 3 });
  expect([painting.isEmpty, painting.runs()]).toEqual([true, "15"]);
});

it("covers a disc, and a band from one point to another", () => {
  const painting = new Painting({ width: 200, height: 200 });
  painting.stroke([100, 100], [100, 100], 40);
  expect(area(painting) / (Math.PI * 40 ** 2)).toBeCloseTo(1, 2);
  painting.clear();
  painting.stroke([60, 100], [140, 100], 20);
  expect(area(painting) / (Math.PI * 20 ** 2 + 80 * 40)).toBeCloseTo(1, 2);
});

it("erases, and is empty again", () => {
  const painting = new Painting({ width: 50, height: 40 });
  painting.stroke([10, 10], [40, 30], 6);
  painting.stroke([0, 20], [50, 20], 100, true);
  expect([painting.isEmpty, painting.runs()]).toEqual([true, "2000"]);
});

it("stays on the film", () => {
  const painting = new Painting({ width: 6, height: 4 });
  painting.stroke([-50, -50], [80, 90], 300);
  expect(masked(painting)).toEqual(Array<boolean>(24).fill(true));
});

it("covers one cell at least, wherever the brush stands", () => {
  const painting = new Painting({ width: 4000, height: 60 });
  expect(painting.step).toBe(4);
  painting.stroke([2002, 31], [2002, 31], 0.1);
  expect(area(painting)).toBeGreaterThanOrEqual(16);
});

it("has a last row and column of cells that the film cuts", () => {
  const painting = new Painting({ width: 1026, height: 3 });
  expect([painting.step, painting.columns, painting.rows]).toEqual([2, 513, 2]);
  painting.stroke([1025.5, 2.5], [1025.5, 2.5], 0.5);
  const inside = masked(painting);
  expect(inside.length).toBe(1026 * 3);
  expect(inside.flatMap((each, i) => (each ? [i] : []))).toEqual([3076, 3077]);
});

it("is painted again from its runs", () => {
  for (const size of [{ width: 50, height: 40 }, { width: 2101, height: 1503 }]) {
    const painting = new Painting(size);
    painting.stroke([10, 10], [40, 30], 6);
    const again = new Painting(size);
    again.paintRuns(painting.runs());
    expect(again.runs()).toEqual(painting.runs());
  }
});
