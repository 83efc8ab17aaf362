/** Maps of films that lie on each other by a shift, a turn and another size, in closed form. */

import { expect, it } from "vitest";
import { affineOf, apply, inverse, scaleOf } from "../app/affine.js";
import { differenceOf } from "../app/carried.js";
import { windowOn, type Frame } from "../app/frame.js";
import { initialSettings } from "../viewer/settings.js";
import type { FilmData, MapData } from "../viewer/data.js";
import { layerOf } from "../viewer/layer.js";

const SHIFTED = affineOf([[1, 0], [0, 1]], [0, 1]); // one column to the right

function frameOf(id: string, place = affineOf([[1, 0], [0, 1]], [0, 0]), changes: Partial<FilmData> = {}): Frame {
  const film = { width: 4, height: 2, channels: 1, bits: 8, samples: new Uint8Array(8) } as const;
  const about: FilmData = { id, width: 4, height: 2, channels: 1, bits: 8, data: "", window: [0, 255], invert: false, ...changes };
  const data = { film: about, maps: [], boxes: [], outlines: [], notice: "", synthetic: false, colormap: null };
  return { id, name: id, film, data, place, sentences: [] };
}

function placed(frame: Frame, values: number[], unit = "logit", offset = 0) {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  const map: MapData = {
    id: "a", target: "a", method: "m", layer: "l", score: 0, score_kind: "logit", probability: null, unit,
    grid: [2, 4], values: btoa(String.fromCharCode(...bytes)), relu: false,
    geometry: { model: [2, 4], scale: [1, 1], offset: [0, offset] }, limit: Math.max(...values.map(Math.abs)), empty: null,
  };
  return { map, layer: layerOf(map, frame.film), frame };
}

it("keeps the middles of pixels where the server's centres are", () => {
  const double = affineOf([[2, 0], [0, 2]], [0.5, 0.5]); // twice as large, centre over centre
  expect(apply(double, [0, 0])).toEqual([0, 0]);
  expect(apply(double, [4, 2])).toEqual([8, 4]);
  expect(scaleOf(double)).toBe(2);
  const turned = affineOf([[0, 1], [-1, 0]], [3, 5]); // a quarter of a circle
  const [x, y] = apply(inverse(turned), apply(turned, [1.25, 7]));
  expect([x, y].map((each) => Number(each.toFixed(9)))).toEqual([1.25, 7]);
  expect(apply(turned, [0.5, 0.5])).toEqual([5.5, 3.5]); // row 0, column 0 → row 3, column 5
});

it("subtracts at the same place of the patient, and nowhere else", () => {
  const first = frameOf("before");
  const before = placed(first, [1, 2, 3, 4, 1, 2, 3, 4]);
  const after = placed(frameOf("after", SHIFTED), [0, 1, 2, 3, 0, 1, 2, 3]); // the same map, moved
  const { layer, compared, frame } = differenceOf(after, before, first);
  expect(frame).toBe(first);
  expect([...layer.field.values]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  expect(compared).toBe(0.75); // the last column of the first film is beyond the second
  const other = differenceOf(placed(frameOf("after", SHIFTED), [9, 1, 2, 8, 9, 1, 2, 8]), before, first);
  expect([...other.layer.field.values]).toEqual([0, 0, 5, 0, 0, 0, 5, 0]);
});

it("compares where both models saw the film", () => {
  const first = frameOf("film");
  const whole = placed(first, [1, 1, 1, 1, 1, 1, 1, 1]);
  const cropped = placed(first, [3, 3, 3, 3, 3, 3, 3, 3], "logit", -2); // its input begins two columns later
  const { layer, compared } = differenceOf(cropped, whole, first);
  expect([...layer.field.values]).toEqual([0, 0, 2, 2, 0, 0, 2, 2]);
  expect(compared).toBe(0.5);
});

it("divides maps in different units by their largest value", () => {
  const first = frameOf("film");
  const logit = placed(first, [2, 4, 0, 0, 2, 4, 0, 0]);
  const activation = placed(first, [0, 0, 50, 100, 0, 0, 50, 100], "activation");
  const { layer, sameUnit } = differenceOf(logit, activation, first);
  expect(sameUnit).toBe(false);
  expect([...layer.field.values]).toEqual([0.5, 1, -0.5, -1, 0.5, 1, -0.5, -1]);
});

it("moves level and width on every film from its own window", () => {
  const first = frameOf("before").data;
  const later = frameOf("after", SHIFTED, { bits: 16, window: [1000, 3550], invert: true }).data.film;
  const settings = { ...initialSettings(first), low: 51, high: 306 };
  expect(windowOn(first.film, later, settings)).toEqual({ low: 1510, high: 4060, invert: true });
});
