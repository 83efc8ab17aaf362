/**
 * The weighted mean of maps of one film, and where they disagree, as analysis/ensemble/combine.py
 * has them with the scale "share" and equal weighting, on a grid of at most 512 pixels.
 */

import type { MapData } from "./data.js";
import { decodeCells, type Film } from "./film.js";
import { Layer, coarseGeometry, onCoarse } from "./layer.js";

/** Unit of a map → what its cells add up to at least where it is stretched to an even spread of 1. */
const FAINT: Readonly<Record<string, number>> = { logit: 1, probability: 0.25 };

interface Member {
  readonly values: Float32Array;
  /** 1 where the model saw the film, else 0. */
  readonly seen: Float32Array;
}

export interface Combined {
  readonly mean: Layer;
  /** The standard deviation with the same weights; 0 where fewer than two models saw the film. */
  readonly spread: Layer;
}

/** A map on the coarse grid, divided by its mean magnitude over what its model saw. */
export function memberOf(layer: Layer, map: MapData, film: Film): Member {
  const coarse = coarseGeometry(film);
  const values = onCoarse(layer, coarse, film).values;
  const ones = new Float32Array(layer.field.values.length).fill(1);
  const all = { geometry: layer.geometry, field: { ...layer.field, values: ones } };
  const seen = onCoarse(all, coarse, film).values;
  const heat = values.reduce((sum, value) => sum + Math.abs(value), 0);
  const pixels = seen.reduce((sum, value) => sum + value, 0);
  const cells = decodeCells(map).raw.length;
  const divisor = Math.max(heat / Math.max(pixels, 1), (FAINT[map.unit] ?? 0) / cells) || 1;
  return { values: values.map((value) => value / divisor), seen };
}

/** The mean and the disagreement of members by weights of at least 0, of which two are above 0. */
export function combine(members: readonly Member[], weights: readonly number[], film: Film): Combined {
  const geometry = coarseGeometry(film);
  const [rows, columns] = geometry.model;
  const mean = new Float32Array(rows * columns);
  const spread = new Float32Array(rows * columns);
  const counted = members.map((member, i) => ({ ...member, weight: weights[i]! }));
  const chosen = counted.filter(({ weight }) => weight > 0);
  for (let i = 0; i < mean.length; i++) {
    const seeing = chosen.filter(({ seen }) => seen[i]! > 0.5);
    const total = seeing.reduce((sum, { weight }) => sum + weight, 0);
    if (total === 0) continue;
    const average = seeing.reduce((sum, { weight, values }) => sum + weight * values[i]!, 0) / total;
    mean[i] = average;
    const squares = ({ weight, values }: Member & { weight: number }): number =>
      weight * (values[i]! - average) ** 2;
    if (seeing.length > 1) {
      spread[i] = Math.sqrt(seeing.reduce((sum, each) => sum + squares(each), 0) / total);
    }
  }
  const layer = (id: string, values: Float32Array): Layer => {
    const limit = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const signed = values.some((value) => value < 0);
    const empty = limit > 0 ? null : "0 everywhere";
    return new Layer(id, "", { rows, columns, values }, geometry, limit, signed, empty, film);
  };
  return { mean: layer("mean", mean), spread: layer("spread", spread) };
}
