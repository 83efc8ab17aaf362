/** A film or volume with its maps, as the viewer is given them. */

import type { AnnotationData, BoxData, MapData, OutlineData, ViewerData, VolumeMapData } from "../viewer/data.js";
import type { ShownFilm } from "./api.js";

/** Of a film, or of a volume. */
export type AnyMap = MapData | VolumeMapData;

/** The ground truth of a film, or of a volume. */
export interface Truth {
  readonly boxes: readonly BoxData[];
  readonly outlines: readonly OutlineData[];
  readonly annotations: readonly AnnotationData[];
}

/** Samples of a film or volume. */
export type Samples = Pick<ShownFilm, "film" | "volume" | "synthetic">;

const UNKNOWN: Truth = { boxes: [], outlines: [], annotations: [] };

/** What the viewer shows: the maps are all of the film, or all of the volume. */
export function viewerData(
  film: Samples,
  maps: readonly AnyMap[],
  notice = "Research use only",
  { boxes, outlines, annotations }: Truth = UNKNOWN,
): ViewerData {
  const about = {
    film: film.film, boxes, outlines, notice,
    synthetic: film.synthetic, colormap: null, first: maps[0]?.id ?? "",
  };
  const { volume } = film;
  if (volume === undefined) return { ...about, maps: maps as readonly MapData[] };
  const inVolume = maps as readonly VolumeMapData[];
  const at = inVolume[0]?.at ?? volume.at;
  return { ...about, maps: [], volume: { ...volume, at: [at[0], at[1], at[2]], maps: inVolume, annotations } };
}
