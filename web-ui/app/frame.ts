/** A film that panes show, with its place on the first film of the page. */

import type { FilmData, ViewerData } from "../viewer/data.js";
import { type Film as Samples, decodeFilm } from "../viewer/film.js";
import type { Settings } from "../viewer/settings.js";
import { type Affine, IDENTITY, affineOf } from "./affine.js";
import { type ShownFilm, get } from "./api.js";
import { viewerData } from "./shown.js";

export interface Frame {
  readonly id: string;
  readonly name: string;
  readonly film: Samples;
  readonly data: ViewerData;
  /** Points of the first film → of this one. */
  readonly place: Affine;
  /** How it was laid on the first film; empty for that one. */
  readonly sentences: readonly string[];
}

/** As GET /api/films/{film}/alignment/{other} answers. */
interface Alignment {
  readonly matrix: readonly (readonly number[])[];
  readonly offset: readonly number[];
  readonly sentences: readonly string[];
  readonly warnings: readonly string[];
}

/** The first film, by which the others are laid. */
export async function firstFrame(id: string): Promise<Frame> {
  const film = await get<ShownFilm>(`films/${id}`);
  if (film.volume !== undefined) {
    throw new Error(`${film.name} is a volume: its maps are compared on the page Explain, in its viewer.`);
  }
  const samples = await decodeFilm(film.film);
  return { id, name: film.name, film: samples, data: viewerData(film, []), place: IDENTITY, sentences: [] };
}

/** Another film of the patient, laid on the first; `align` as of `camlucida change`. */
export async function laterFrame(first: Frame, id: string, align: string): Promise<Frame> {
  const [own, laid] = await Promise.all([
    firstFrame(id),
    get<Alignment>(`films/${first.id}/alignment/${id}?align=${align}`),
  ]);
  const warnings = laid.warnings.map((warning) => `Note: ${warning}.`);
  return { ...own, place: affineOf(laid.matrix, laid.offset), sentences: [...laid.sentences, ...warnings] };
}

/** Level, width and inversion of the first film on another: each film begins with its own window. */
export function windowOn(first: FilmData, other: FilmData, { low, high, invert }: Settings): Pick<Settings, "low" | "high" | "invert"> {
  const [from, to] = [first.window, other.window];
  const unit = (to[1] - to[0]) / (from[1] - from[0] || 1);
  const onOther = (level: number): number => to[0] + (level - from[0]) * unit;
  return { low: onOther(low), high: onOther(high), invert: first.invert === other.invert ? invert : !invert };
}
