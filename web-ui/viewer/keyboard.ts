/** Every function by a key. The help is made from the same list. */

import type { Code } from "./words.js";

export type Command =
  | "left" | "right" | "up" | "down"
  | "levelUp" | "levelDown" | "widthUp" | "widthDown"
  | "zoomIn" | "zoomOut" | "fit" | "actual"
  | "previousMap" | "nextMap" | "previousImage" | "nextImage"
  | "show" | "opacityDown" | "opacityUp" | "thresholdDown" | "thresholdUp"
  | "lineDown" | "lineUp" | "contour" | "boxes" | "truth"
  | "colormap" | "scale" | "invert" | "tool" | "compare" | "cross" | "reset" | "help" | "close"
  | "paint" | "erase" | "brushSmaller" | "brushLarger"
  | "previousSlice" | "nextSlice" | "plane" | "peak";

/** Keys as they are shown, their commands, and what they do. */
export const KEYS: readonly (readonly [readonly (readonly [string, Command])[], Code])[] = [
  [[["←", "left"], ["→", "right"], ["↑", "up"], ["↓", "down"]], "key_move"],
  [[["+", "zoomIn"], ["−", "zoomOut"]], "key_zoom"],
  [[["0", "fit"], ["1", "actual"]], "key_fit"],
  [[["k", "previousMap"], ["j", "nextMap"]], "key_map"],
  [[["p", "previousImage"], ["n", "nextImage"]], "key_image"],
  [[["PgUp", "previousSlice"], ["PgDn", "nextSlice"]], "key_slice"],
  [[["v", "plane"], ["h", "peak"]], "key_plane"],
  [[["m", "show"]], "key_show"],
  [[["[", "opacityDown"], ["]", "opacityUp"]], "key_opacity"],
  [[[",", "thresholdDown"], [".", "thresholdUp"]], "key_threshold"],
  [[["<", "lineDown"], [">", "lineUp"]], "key_level"],
  [[["c", "contour"]], "key_contour"],
  [[["b", "boxes"]], "key_boxes"],
  [[["t", "truth"]], "key_truth"],
  [[["l", "colormap"]], "key_colormap"],
  [[["s", "scale"]], "key_scale"],
  [[["i", "invert"]], "key_invert"],
  [
    [["⇧ ↑", "levelUp"], ["⇧ ↓", "levelDown"], ["⇧ ←", "widthDown"], ["⇧ →", "widthUp"]],
    "key_window",
  ],
  [[["w", "tool"]], "key_tool"],
  [[["d", "compare"]], "key_compare"],
  [[["x", "cross"]], "key_cross"],
  [[["a", "paint"], ["e", "erase"]], "key_paint"],
  [[["f", "brushSmaller"], ["g", "brushLarger"]], "key_brush"],
  [[["r", "reset"]], "key_reset"],
  [[["?", "help"]], "key_help"],
];

/** Functions of the brush, which not every page has. */
export const BRUSH_KEYS: readonly Code[] = ["key_paint", "key_brush"];

/** Functions of volumes. */
export const VOLUME_KEYS: readonly Code[] = ["key_slice", "key_plane"];

const ARROWS: Readonly<Record<string, string>> = {
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
  "-": "−",
  _: "−",
  "=": "+",
  PageUp: "PgUp",
  PageDown: "PgDn",
};

const COMMANDS = new Map(KEYS.flatMap(([keys]) => keys));

/** The command of a key; null where it has none, or belongs to a field or the browser. */
export function commandOf(event: KeyboardEvent): Command | null {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  if (event.key === "Escape") return "close";
  const focused = event.composedPath()[0];
  const isField = focused instanceof HTMLInputElement || focused instanceof HTMLSelectElement;
  const isArrow = event.key.startsWith("Arrow");
  const isText = focused instanceof HTMLInputElement && ["search", "number", "text"].includes(focused.type);
  if (isText || (isField && (isArrow || focused instanceof HTMLSelectElement))) return null;
  if (isArrow && focused instanceof Element && focused.getAttribute("role") === "option") return null;
  const sign = ARROWS[event.key] ?? (event.key.length === 1 ? event.key.toLowerCase() : event.key);
  return COMMANDS.get(event.shiftKey && isArrow ? `⇧ ${sign}` : sign) ?? null;
}
