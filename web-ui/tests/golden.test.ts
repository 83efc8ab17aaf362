/** The numbers of Python (scripts/viewer_tables.py) from the viewer's own code. */

import { describe, expect, it } from "vitest";
import { FilmRows, heatBoxes } from "../viewer/boxes.js";
import { colourIndex, opacityOf, opacityTable, palette } from "../viewer/colour.js";
import { contour, contourStep, peakOf } from "../viewer/contour.js";
import type { FilmData, MapData } from "../viewer/data.js";
import { combine, memberOf } from "../viewer/ensemble.js";
import { type Film, bytesOfBase64, decodeCells, decodeFilm } from "../viewer/film.js";
import { onFilm, resize, valueAt } from "../viewer/geometry.js";
import { layerOf } from "../viewer/layer.js";
import numbers from "./golden.json";

interface MapCase extends Pick<MapData, "grid" | "values" | "relu" | "geometry"> {
  size: [number, number];
  step: number;
  samples: string;
  lines: [number, number][][];
  points: number;
  peak: [number, number, number];
  boxes: [number, number, number, number, number, number, number][];
}

const golden = numbers as unknown as {
  films: (FilmData & { samples: number[] })[];
  maps: MapCase[];
  ensemble: { size: [number, number]; maps: MapData[]; weights: number[]; mean: string; spread: string };
  colours: { name: string; alpha: number; greys: number[]; heat: number[]; levels: string }[];
};

function floats(text: string): Float32Array {
  return new Float32Array(bytesOfBase64(text).buffer);
}

function fieldOf(map: MapCase) {
  const { cells } = decodeCells(map as MapCase & MapData);
  const field = { rows: map.grid[0], columns: map.grid[1], values: cells };
  return resize(field, map.geometry.model[0], map.geometry.model[1]);
}

describe.each(golden.films)("film $width × $height of $bits bits", (film) => {
  it("has the samples that were encoded", async () => {
    expect(Array.from((await decodeFilm(film)).samples)).toEqual(film.samples);
  });
});

describe.each(golden.maps)("map of $grid cells on $size pixels", (map) => {
  const [height, width] = map.size;
  const field = fieldOf(map);
  const whole = onFilm(field, map.geometry, height, width);
  const most = Math.max(...map.peak.slice(0, 1));

  it("is resized as in Python", () => {
    floats(map.samples).forEach((value, i) => {
      expect(Math.abs(whole.values[i * map.step]! - value)).toBeLessThan(1e-5 * most);
    });
  });

  it("has the same value under the pointer", () => {
    for (const [x, y] of [[3, 2], [width - 4, height - 9], [11, 20]] as const) {
      const value = valueAt(field, map.geometry, x + 0.5, y + 0.5);
      expect(value).toBeCloseTo(whole.values[y * width + x]!, 6);
    }
  });

  it("has its peak in the same place", () => {
    const peak = peakOf(whole);
    expect([peak.row, peak.column]).toEqual(map.peak.slice(1));
    expect(peak.value).toBeCloseTo(map.peak[0], 5);
  });

  it("has the same contour at half its maximum", () => {
    const step = contourStep(height, width);
    const coarse = onFilm(field, map.geometry, height, width, step);
    const pieces = contour(coarse, 0.5 * peakOf(coarse).value, step, height, width);
    const ends = pieces.flatMap(([x, y, u, v]) => [[y - 0.5, x - 0.5], [v - 0.5, u - 0.5]]);
    expect(pieces.length).toBeGreaterThan(0.9 * map.points);
    for (const [row, column] of map.lines.flat()) {
      const distances = ends.map(([r, c]) => Math.hypot(r! - row!, c! - column!));
      expect(Math.min(...distances)).toBeLessThan(2e-3);
    }
  });

  it("has the same boxes", () => {
    const boxes = heatBoxes(new FilmRows(field, map.geometry, height, width), 0.4);
    expect(boxes.map((b) => [b.x, b.y, b.width, b.height, b.area])).toEqual(
      map.boxes.map((box) => box.slice(0, 5)),
    );
    boxes.forEach((box, i) => {
      expect(box.peak).toBeCloseTo(map.boxes[i]![5], 5);
      expect(box.mean).toBeCloseTo(map.boxes[i]![6], 4);
    });
  });
});

describe("the ensemble of three models", () => {
  const { size, maps, weights, mean, spread } = golden.ensemble;
  const [height, width] = size;
  const film: Film = { width, height, channels: 1, bits: 8, samples: new Uint8Array(width * height) };
  const members = maps.map((map) => memberOf(layerOf(map, film), map, film));
  const combined = combine(members, weights, film);

  it.each([["mean", mean], ["spread", spread]] as const)("has the %s of Python", (name, text) => {
    const { values } = combined[name].field;
    const expected = floats(text);
    expect(values.length).toBe(expected.length);
    expected.forEach((value, i) => expect(Math.abs(values[i]! - value)).toBeLessThan(1e-4));
  });
});

describe.each(golden.colours)("colours of $name at opacity $alpha", (colours) => {
  it("differ by at most one level of 255", () => {
    const levels = floats(colours.levels);
    const { diverging, colours: table } = palette(colours.name);
    const opacity = opacityTable(colours.name, colours.alpha);
    let i = 0;
    for (const grey of colours.greys) {
      for (const heat of colours.heat) {
        const share = opacityOf(opacity, Math.abs(heat));
        const colour = 3 * colourIndex(heat, diverging);
        for (let c = 0; c < 3; c++) {
          const level = grey * (1 - share) + table[colour + c]! * share;
          expect(Math.abs(level - levels[i++]!)).toBeLessThan(1);
        }
      }
    }
  });
});
