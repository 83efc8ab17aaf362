/** Planes of a small volume, in closed form. */

import { expect, it } from "vitest";
import type { ViewerData } from "../viewer/data.js";
import { decodeCells } from "../viewer/film.js";
import { cellWeights, Volume } from "../viewer/volume.js";

const SIZE = [2, 3, 4] as const;
const samples = Uint16Array.from({ length: 24 }, (_, i) => i);

function base64(values: readonly number[]): string {
  return btoa(String.fromCharCode(...new Uint8Array(Float32Array.from(values).buffer)));
}

function volume(oriented: boolean): Volume {
  const map = {
    id: "0", target: "a", method: "m", layer: "l", score: 0, score_kind: "logit", probability: null,
    unit: "logit", grid: SIZE, values: base64([...samples]), relu: true, limit: 23, empty: null,
    geometry: { model: SIZE, scale: [1, 1, 1] as const, offset: [0, 0, 0] as const },
    signed: false, top: 23, at: [1, 2, 3] as const,
  };
  const plain = (axis: number): { axis: number; first: number; step: number; count: number } => ({
    axis, first: 0, step: 1, count: SIZE[axis]!,
  });
  const edges = ["R", "L", "A", "P"] as const;
  const data: ViewerData = {
    film: { id: "v", width: 4, height: 6, channels: 1, bits: 16, data: "", window: [0, 23], invert: false },
    maps: [], boxes: [], outlines: [], notice: "", synthetic: false, colormap: null,
    volume: {
      size: SIZE, spacing: [2, 1, 1], oriented, names: ["a", "c", "s"], edges: [edges, edges, edges],
      numbering: [{ axis: 0, first: 2, step: -1, count: 2 }, plain(1), plain(2)], at: [1, 2, 3],
      maps: [map], note: "",
    },
  };
  return new Volume(data, samples);
}

it("cuts an axial plane and its map", () => {
  const { film, data } = volume(true).plane(0, [1, 0, 0]);
  expect([film.width, film.height]).toEqual([4, 3]);
  expect([...film.samples]).toEqual([...samples.slice(12)]);
  expect([...decodeCells(data.maps[0]!).cells]).toEqual([...samples.slice(12)]);
  expect(data.maps[0]!.peak).toEqual([3.5, 2.5]);
});

it("turns the head up, in square pixels", () => {
  const { film } = volume(true).plane(1, [0, 1, 0]);
  expect([film.width, film.height]).toEqual([4, 4]);
  expect([...film.samples.slice(0, 4)]).toEqual([16, 17, 18, 19]); // the last slice
  expect([...film.samples.slice(12)]).toEqual([4, 5, 6, 7]);
  expect([...volume(false).plane(1, [0, 1, 0]).film.samples.slice(0, 4)]).toEqual([4, 5, 6, 7]);
});

it("finds the voxel of a point, and the point of a voxel", () => {
  for (const axis of [0, 1, 2] as const) {
    const of = volume(true);
    const voxel: [number, number, number] = [1, 2, 3];
    expect(of.toVoxel(axis, of.toPlane(axis, voxel), voxel)).toEqual(voxel);
  }
});

it("numbers planes as the file does", () => {
  expect([0, 1].map((index) => volume(true).stored(0, index))).toEqual([1, 0]);
  expect([0, 3].map((index) => volume(true).stored(2, index))).toEqual([0, 3]);
});

it("weighs cells over the grid and the model's input", () => {
  const weights = cellWeights(2, 4, 1, 0, 1); // the second of four voxels: 3/4 of the first cell
  expect([...weights]).toEqual([[0, 0.75], [1, 0.25]]);
  expect(cellWeights(2, 4, 1, 0, 7).size).toBe(0); // outside of what the model saw
});
