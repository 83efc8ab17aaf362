/** What is under the pointer: film, map, share of the score, and the cell of the layer's grid. */

import type { MapData } from "./data.js";
import { type Film, decodeCells } from "./film.js";
import { cellAt, valueAt } from "./geometry.js";
import type { Layer } from "./layer.js";
import type { Units } from "./units.js";
import { type Words, filled, number, percent } from "./words.js";

export interface Reading {
  readonly x: number;
  readonly y: number;
  readonly sample: readonly number[];
  /** Of the map on the film; null without a map. */
  readonly value: number | null;
  readonly cell: readonly [number, number] | null;
  readonly cellValue: number | null;
  /** Of the cell in the score; null where the map is in other units. */
  readonly share: number | null;
}

/** The reading at film coordinates; null outside of the film. */
export function readingAt(
  film: Film,
  layer: Layer | null,
  map: MapData | null,
  at: readonly [number, number],
): Reading | null {
  const [x, y] = [Math.floor(at[0]), Math.floor(at[1])];
  if (x < 0 || y < 0 || x >= film.width || y >= film.height) return null;
  const start = (y * film.width + x) * film.channels;
  const sample = Array.from(film.samples.slice(start, start + film.channels));
  const middle = [x + 0.5, y + 0.5] as const;
  const value = layer === null ? null : valueAt(layer.field, layer.geometry, ...middle);
  if (map === null) return { x, y, sample, value, cell: null, cellValue: null, share: null };
  const cell = cellAt(map.grid, map.geometry, ...middle);
  if (cell === null) return { x, y, sample, value, cell, cellValue: null, share: null };
  const cellValue = decodeCells(map).cells[cell[0] * map.grid[1] + cell[1]]!;
  const score = map.unit === map.score_kind && map.score !== 0 ? map.score : null;
  return { x, y, sample, value, cell, cellValue, share: score === null ? null : cellValue / score };
}

/** The reading in words. */
export function reading(
  words: Words,
  read: Reading,
  layer: Layer | null,
  map: MapData | null,
  units: Units,
  place?: string,
): string {
  const parts = [
    place ?? filled(words.position, { x: String(read.x), y: String(read.y) }),
    filled(words.sample, { value: units.reading(read.sample) }),
  ];
  if (layer !== null && read.value !== null) {
    const share = layer.limit > 0 ? percent(read.value / layer.limit) : "0%";
    parts.push(
      `${filled(words.value, { value: number(read.value) })} (${filled(words.of_maximum, { share })})`,
    );
  }
  if (map !== null && read.cell === null) parts.push(words.unseen);
  if (map !== null && read.cell !== null && read.cellValue !== null) {
    const [row, column] = read.cell;
    const [rows, columns] = map.grid;
    const about = {
      row: String(row + 1),
      column: String(column + 1),
      rows: String(rows),
      columns: String(columns),
      value: number(read.cellValue),
    };
    const cell = filled(words.cell, about);
    const share = read.share === null ? "" : `, ${filled(words.share, shareOf(read.share, map))}`;
    parts.push(cell + share);
  }
  return parts.join(" · ");
}

function shareOf(share: number, map: MapData): Record<string, string> {
  return { share: percent(share), kind: map.score_kind };
}
