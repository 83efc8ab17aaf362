/** What a person has set. Plain values; the viewer draws them again after each change. */

import { hasTruth, type ViewerData } from "./data.js";
import { palette, paletteNames } from "./colour.js";

export type Mode = "one" | "side" | "difference";
export type Scale = "own" | "shared" | "fixed";
export type Tool = "pan" | "window" | "region" | "brush";

export const MODES: readonly Mode[] = ["one", "side", "difference"];
export const SCALES: readonly Scale[] = ["own", "shared", "fixed"];

export interface Settings {
  /** Ids of the maps; "" is the film without a map. */
  map: string;
  second: string;
  mode: Mode;
  shown: boolean;
  opacity: number;
  threshold: number;
  sequential: string;
  diverging: string;
  scale: Scale;
  /** Full colour of the fixed scale. */
  limit: number;
  /** Share of the maximum, for the line and the boxes. */
  level: number;
  contour: boolean;
  boxes: boolean;
  truth: boolean;
  low: number;
  high: number;
  invert: boolean;
  tool: Tool;
  /** Diameter of the brush in pixels of the screen. */
  brush: number;
  erase: boolean;
}

export const BRUSHES = { least: 6, most: 160 } as const;

/** As figures/colours.py and metrics/regions.py have them. */
export const OPACITY = 0.6;
export const HALF = 0.5;

export function initialSettings(data: ViewerData): Settings {
  const { film } = data;
  // Unless the page names one, the most probable finding; without probabilities the order of the data.
  const sorted = data.maps.toSorted((a, b) => (b.probability ?? 0) - (a.probability ?? 0));
  const first = data.maps.find(({ id }) => id === data.first);
  const maps = first === undefined ? sorted : [first, ...data.maps.filter((map) => map !== first)];
  const requested = data.colormap === null ? null : palette(data.colormap);
  const isDiverging = requested?.diverging ?? false;
  return {
    map: maps[0]?.id ?? "",
    second: maps[1]?.id ?? "",
    mode: "one",
    shown: true,
    opacity: OPACITY,
    threshold: 0,
    sequential: requested !== null && !isDiverging ? requested.name : paletteNames(false)[0]!,
    diverging: requested !== null && isDiverging ? requested.name : paletteNames(true)[0]!,
    scale: "own",
    limit: maps[0]?.limit ?? 1,
    level: HALF,
    contour: true,
    boxes: false,
    truth: hasTruth(data),
    low: film.window[0],
    high: film.window[1],
    invert: film.invert,
    tool: "pan",
    brush: 32,
    erase: false,
  };
}

/** The settings for another image: those of the person stay, those of the film are its own. */
export function settingsFor(data: ViewerData, before: Settings | null): Settings {
  const initial = initialSettings(data);
  if (before === null) return initial;
  const kept: (keyof Settings)[] = [
    "mode", "shown", "opacity", "threshold", "sequential", "diverging",
    "scale", "limit", "level", "contour", "boxes", "tool", "brush", "erase",
  ];
  const settings = { ...initial };
  for (const name of kept) Object.assign(settings, { [name]: before[name] });
  if (data.maps.length < 2) settings.mode = "one";
  return settings;
}
