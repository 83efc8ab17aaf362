/** A film at half, a quarter … of its size, so that a whole film on a screen shows no moiré. */

import type { Film } from "./film.js";

export interface Level {
  readonly width: number;
  readonly height: number;
  readonly samples: Uint8Array | Uint16Array;
}

export const SMALLEST_LEVEL = 5;

/** The film itself, and up to five levels, each of means of four samples. */
export function pyramid(film: Film): Level[] {
  const levels: Level[] = [film];
  while (levels.length <= SMALLEST_LEVEL) {
    const last = levels[levels.length - 1]!;
    if (Math.max(last.width, last.height) <= 64) break;
    levels.push(halved(last, film.channels));
  }
  return levels;
}

function halved({ width, height, samples }: Level, channels: number): Level {
  const size = { width: Math.ceil(width / 2), height: Math.ceil(height / 2) };
  const kind = samples instanceof Uint8Array ? Uint8Array : Uint16Array;
  const into = new kind(size.width * size.height * channels);
  const stride = width * channels;
  let next = 0;
  for (let row = 0; row < size.height; row++) {
    const upper = 2 * row * stride;
    const lower = 2 * row + 1 < height ? upper + stride : upper;
    for (let column = 0; column < size.width; column++) {
      const left = 2 * column * channels;
      const right = 2 * column + 1 < width ? left + channels : left;
      for (let c = 0; c < channels; c++) {
        const above = samples[upper + left + c]! + samples[upper + right + c]!;
        const below = samples[lower + left + c]! + samples[lower + right + c]!;
        into[next++] = (above + below + 2) >> 2;
      }
    }
  }
  return { ...size, samples: into };
}

/** The level whose pixels are nearest to `step` pixels of the film. */
export function levelFor(step: number, count: number): number {
  return Math.min(Math.max(Math.round(Math.log2(step)), 0), count - 1);
}
