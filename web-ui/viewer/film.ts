/** From the text of the JSON to numbers. */

import type { FilmData, MapData } from "./data.js";

export interface Film {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly bits: 8 | 16;
  /** Row by row, the channels of a pixel beside each other. */
  readonly samples: Uint8Array | Uint16Array;
}

export function bytesOfBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

async function inflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The samples of a film: base64 of a zlib stream, as report/viewer/encode.py writes it. */
export async function decodeFilm(film: FilmData): Promise<Film> {
  const { width, height, channels, bits } = film;
  const bytes = await inflate(bytesOfBase64(film.data));
  const stride = width * channels;
  const expected = bits === 8 ? height * (stride + 1) : 2 * height * stride;
  if (bytes.length !== expected) {
    throw new Error(`film ${film.id}: ${bytes.length} bytes, expected ${expected}`);
  }
  const samples = bits === 8 ? fromRowAbove(bytes, stride, height) : fromLeft(bytes, stride, height);
  return { width, height, channels, bits, samples };
}

/** Rows of a PNG: the number of their filter, 2, then differences from the row above. */
function fromRowAbove(bytes: Uint8Array, stride: number, height: number): Uint8Array {
  const samples = new Uint8Array(height * stride);
  samples.set(bytes.subarray(1, stride + 1));
  for (let row = 1; row < height; row++) {
    const start = row * stride;
    const from = row * (stride + 1) + 1 - start;
    // The typed array keeps the remainder modulo 2^8.
    for (let i = start; i < start + stride; i++) samples[i] = samples[i - stride]! + bytes[from + i]!;
  }
  return samples;
}

/**
 * 16 bits: differences from the left (from 0 in the first column), small magnitudes first (0, −1,
 * 1, −2, … are 0, 1, 2, 3, …); first all low bytes, then all high bytes.
 */
function fromLeft(bytes: Uint8Array, stride: number, height: number): Uint16Array {
  const samples = new Uint16Array(height * stride);
  const high = bytes.subarray(samples.length);
  for (let row = 0; row < height; row++) {
    const start = row * stride;
    for (let i = start; i < start + stride; i++) {
      const code = bytes[i]! | (high[i]! << 8);
      const left = i === start ? 0 : samples[i - 1]!;
      samples[i] = left + ((code >>> 1) ^ -(code & 1));
    }
  }
  return samples;
}

/** Little-endian float32. */
export function floatsOfBase64(text: string, count: number, id: string): Float32Array {
  const bytes = bytesOfBase64(text);
  if (bytes.length !== 4 * count) {
    throw new Error(`map ${id}: ${bytes.length} bytes, expected ${4 * count}`);
  }
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: count }, (_, i) => view.getFloat32(4 * i, true));
}

/** The cells of a map that are drawn: after the ReLU of its method. */
export function decodeCells(map: MapData): { raw: Float32Array; cells: Float32Array } {
  if (map.cells !== undefined) return { raw: map.cells, cells: map.cells };
  const raw = floatsOfBase64(map.values, map.grid[0] * map.grid[1], map.id);
  return { raw, cells: map.relu ? raw.map((value) => Math.max(value, 0)) : raw };
}
