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

/**
 * The samples of a film. Each is stored as its difference from the sample of the same channel on
 * its left (from 0 in the first column), modulo 2^bits, small magnitudes first (0, −1, 1, −2, …
 * are 0, 1, 2, 3, …); of 16 bits first all low bytes, then all high bytes; then zlib, base64.
 */
export async function decodeFilm(film: FilmData): Promise<Film> {
  const { width, height, channels, bits } = film;
  const count = width * height * channels;
  const bytes = await inflate(bytesOfBase64(film.data));
  if (bytes.length !== (count * bits) / 8) {
    throw new Error(`film ${film.id}: ${bytes.length} bytes, expected ${(count * bits) / 8}`);
  }
  const samples = bits === 8 ? new Uint8Array(count) : new Uint16Array(count);
  const high = bits === 8 ? null : bytes.subarray(count);
  const stride = width * channels;
  for (let row = 0; row < height; row++) {
    const start = row * stride;
    for (let i = start; i < start + stride; i++) {
      const code = high === null ? bytes[i]! : bytes[i]! | (high[i]! << 8);
      const left = i - start < channels ? 0 : samples[i - channels]!;
      // The typed array keeps the remainder modulo 2^bits.
      samples[i] = left + ((code >>> 1) ^ -(code & 1));
    }
  }
  return { width, height, channels, bits, samples };
}

/** The cells of a map that are drawn: after the ReLU of its method. */
export function decodeCells(map: MapData): { raw: Float32Array; cells: Float32Array } {
  const bytes = bytesOfBase64(map.values);
  const count = map.grid[0] * map.grid[1];
  if (bytes.length !== 4 * count) {
    throw new Error(`map ${map.id}: ${bytes.length} bytes, expected ${4 * count}`);
  }
  const view = new DataView(bytes.buffer);
  const raw = Float32Array.from({ length: count }, (_, i) => view.getFloat32(4 * i, true));
  return { raw, cells: map.relu ? raw.map((value) => Math.max(value, 0)) : raw };
}
