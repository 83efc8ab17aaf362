/** What each key does to the settings; null where it is no matter of settings. */

import { paletteNames } from "./colour.js";
import type { ViewerData } from "./data.js";
import type { Command } from "./keyboard.js";
import { BRUSHES, MODES, SCALES, type Settings, type Tool } from "./settings.js";
import { Units } from "./units.js";

type Change = Partial<Settings> | null;

export function changeOf(
  command: Command,
  settings: Settings,
  data: ViewerData,
  signed: boolean,
  tools: readonly Tool[],
): Change {
  return (
    ofNumbers(command, settings) ??
    ofSwitches(command, settings) ??
    ofChoices(command, settings, data, signed, tools) ??
    ofWindow(command, settings, data)
  );
}

function ofNumbers(command: Command, { opacity, threshold, level, brush }: Settings): Change {
  const brushOf = (size: number): number => Math.min(Math.max(Math.round(size), BRUSHES.least), BRUSHES.most);
  const step = (value: number, by: number, low: number, high: number): number =>
    Math.min(Math.max(Math.round((value + by) * 100) / 100, low), high);
  switch (command) {
    case "opacityDown": return { opacity: step(opacity, -0.05, 0.1, 1) };
    case "opacityUp": return { opacity: step(opacity, 0.05, 0.1, 1) };
    case "thresholdDown": return { threshold: step(threshold, -0.05, 0, 0.95) };
    case "thresholdUp": return { threshold: step(threshold, 0.05, 0, 0.95) };
    case "lineDown": return { level: step(level, -0.05, 0.05, 0.95) };
    case "lineUp": return { level: step(level, 0.05, 0.05, 0.95) };
    case "brushSmaller": return { brush: brushOf(brush / 1.25) };
    case "brushLarger": return { brush: brushOf(brush * 1.25) };
    default: return null;
  }
}

function ofSwitches(command: Command, settings: Settings): Change {
  switch (command) {
    case "show": return { shown: !settings.shown };
    case "contour": return { contour: !settings.contour };
    case "boxes": return { boxes: !settings.boxes };
    case "truth": return { truth: !settings.truth };
    case "invert": return { invert: !settings.invert };
    case "erase": return { erase: !settings.erase };
    default: return null;
  }
}

function ofChoices(
  command: Command,
  settings: Settings,
  data: ViewerData,
  signed: boolean,
  tools: readonly Tool[],
): Change {
  const ids = [...data.maps.map((map) => map.id), ""];
  const kind = signed ? "diverging" : "sequential";
  switch (command) {
    case "nextMap": return { map: after(ids, settings.map, 1) };
    case "previousMap": return { map: after(ids, settings.map, -1) };
    case "colormap": return { [kind]: after(paletteNames(signed), settings[kind], 1) };
    case "scale": return { scale: after(SCALES, settings.scale, 1) };
    case "tool": return { tool: after(tools, settings.tool, 1) };
    case "compare": return data.maps.length > 1 ? { mode: after(MODES, settings.mode, 1) } : {};
    default: return null;
  }
}

function ofWindow(command: Command, settings: Settings, data: ViewerData): Change {
  const units = new Units(data.film);
  switch (command) {
    case "levelUp": return units.stepped(settings, 1, 0);
    case "levelDown": return units.stepped(settings, -1, 0);
    case "widthUp": return units.stepped(settings, 0, 1);
    case "widthDown": return units.stepped(settings, 0, -1);
    default: return null;
  }
}

function after<T>(choices: readonly T[], current: T, step: number): T {
  const at = choices.indexOf(current);
  return choices[(at + step + choices.length) % choices.length]!;
}
