/** A film or volume with its maps, as the viewer is given them. */

import type { MapData, ViewerData, VolumeMapData } from "../viewer/data.js";
import type { ShownFilm } from "./api.js";

/** Of a film, or of a volume. */
export type AnyMap = MapData | VolumeMapData;

/** What the viewer shows: the maps are all of the film, or all of the volume. */
export function viewerData(film: ShownFilm, maps: readonly AnyMap[], notice = "Research use only"): ViewerData {
  const about = {
    film: film.film, boxes: [], outlines: [], notice,
    synthetic: film.synthetic, colormap: null, first: maps[0]?.id ?? "",
  };
  const { volume } = film;
  if (volume === undefined) return { ...about, maps: maps as readonly MapData[] };
  const inVolume = maps as readonly VolumeMapData[];
  const at = inVolume[0]?.at ?? volume.at;
  return { ...about, maps: [], volume: { ...volume, at: [at[0], at[1], at[2]], maps: inVolume } };
}
