/** The weighted mean and the disagreement of maps, in closed form. */

import { expect, it } from "vitest";
import type { MapData } from "../viewer/data.js";
import { combine, memberOf } from "../viewer/ensemble.js";
import type { Film } from "../viewer/film.js";
import { layerOf } from "../viewer/layer.js";

const film: Film = { width: 4, height: 2, channels: 1, bits: 8, samples: new Uint8Array(8) };

function mapOf(values: number[], offset = 0, width = 4): MapData {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  return {
    id: "a", target: "a", method: "m", layer: "l", score: 0, score_kind: "logit",
    probability: null, unit: "logit", grid: [2, width], values: btoa(String.fromCharCode(...bytes)),
    relu: false, geometry: { model: [2, width], scale: [1, 1], offset: [0, offset] }, limit: 1, empty: null,
  };
}

function combined(maps: MapData[], weights: number[]) {
  return combine(maps.map((map) => memberOf(layerOf(map, film), map, film)), weights, film);
}

it("divides each map by its mean magnitude and weighs it", () => {
  const even = mapOf([8, 8, 8, 8, 8, 8, 8, 8]);
  const left = mapOf([4, 4, 0, 0, 4, 4, 0, 0]); // 2 on the left after the division
  const { mean, spread } = combined([even, left], [1, 3]);
  expect([...mean.field.values].map((v) => Number(v.toFixed(5)))).toEqual([1.75, 1.75, 0.25, 0.25, 1.75, 1.75, 0.25, 0.25]);
  const deviation = Math.sqrt(0.25 * 0.75); // of two values that differ by 1
  for (const value of spread.field.values) expect(value).toBeCloseTo(deviation, 5);
});

it("does not stretch a faint map to an even spread", () => {
  const faint = mapOf([0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.05]); // adds up to 0.4 logit
  const { mean } = combined([faint, faint], [1, 1]);
  for (const value of mean.field.values) expect(value).toBeCloseTo(0.4, 5);
});

it("leaves out a model where it saw nothing, and a map of weight 0", () => {
  const even = mapOf([8, 8, 8, 8, 8, 8, 8, 8]);
  const part = mapOf([8, 8, 8, 8], 0, 2); // saw the two columns on the left
  const { mean, spread } = combined([even, part], [1, 1]);
  for (const value of mean.field.values) expect(value).toBeCloseTo(1, 5);
  expect(Math.max(...spread.field.values)).toBeCloseTo(0, 5);
  const alone = combined([mapOf([8, 8, 0, 0, 8, 8, 0, 0]), even], [0, 1]);
  for (const value of alone.mean.field.values) expect(value).toBeCloseTo(1, 5);
});
