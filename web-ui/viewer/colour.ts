/** Colours and opacity of heat: figures/colours.py, from tables that it writes. */

import { LEVELS, OPACITY_STEPS, PALETTES } from "./generated/tables.js";
import { bytesOfBase64 } from "./film.js";

export interface Palette {
  readonly name: string;
  /** Whether its middle is zero. */
  readonly diverging: boolean;
  /** 256 colours of 8 bits, red, green and blue. */
  readonly colours: Uint8Array;
  /** The power of the heat by which the map alone fades into black; 0 where it does not. */
  readonly fade: number;
}

const decoded = new Map<string, Palette>();

export function paletteNames(diverging: boolean): string[] {
  return Object.keys(PALETTES).filter((name) => PALETTES[name]!.diverging === diverging);
}

export function palette(name: string): Palette {
  const table = PALETTES[name];
  if (table === undefined) throw new Error(`unknown colour map ${name}`);
  let known = decoded.get(name);
  if (known === undefined) {
    known = { name, diverging: table.diverging, colours: bytesOfBase64(table.colours), fade: table.fade };
    decoded.set(name, known);
  }
  return known;
}

const shares = new Map<string, Uint8Array>();

/**
 * Opacity of heat at LEVELS evenly spaced levels from 0 to 1. The table holds, for full opacities
 * of 0.05, 0.10 … 1, the largest opacity with which the difference from the film rises with the
 * heat, as steps of 1/OPACITY_STEPS of the proportional one; between two of them it is linear.
 */
export function opacityTable(name: string, alpha: number): Float64Array {
  let steps = shares.get(name);
  if (steps === undefined) {
    steps = bytesOfBase64(PALETTES[name]!.opacity);
    shares.set(name, steps);
  }
  const count = steps.length / LEVELS;
  const at = Math.min(Math.max(alpha * count, 1), count) - 1;
  const lower = Math.floor(at + 1e-9);
  const upper = Math.min(lower + 1, count - 1);
  const weight = Math.max(at - lower, 0);
  const opacity = new Float64Array(LEVELS);
  for (let level = 0; level < LEVELS; level++) {
    const low = steps[lower * LEVELS + level]!;
    const high = steps[upper * LEVELS + level]!;
    const share = (low * (1 - weight) + high * weight) / OPACITY_STEPS;
    opacity[level] = alpha * (level / (LEVELS - 1)) * share;
  }
  return opacity;
}

/** Opacity of a heat in [0, 1]. */
export function opacityOf(table: Float64Array, heat: number): number {
  const at = heat * (LEVELS - 1);
  const level = Math.min(Math.floor(at), LEVELS - 2);
  const weight = at - level;
  return table[level]! * (1 - weight) + table[level + 1]! * weight;
}

/** Which of the 256 colours a heat has; of a diverging palette zero is the middle. */
export function colourIndex(heat: number, diverging: boolean): number {
  const level = diverging ? heat / 2 + 0.5 : heat;
  return Math.min(Math.max(Math.trunc(level * 256), 0), 255);
}
