/** The words of the viewer in the language of the page. */

import { WORDS } from "./generated/words.js";

export type Words = Readonly<Record<keyof typeof WORDS, string>>;
export type Code = keyof typeof WORDS;
export const ENGLISH: Words = WORDS;

/** A template with its {placeholders} filled. */
export function filled(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}

/** Three significant digits, with a minus sign. */
export function number(value: number, digits = 3): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  const small = size < 1e-3 || size >= 1e6;
  const text = small ? value.toExponential(digits - 1) : String(Number(value.toPrecision(digits)));
  return text.replace(/-/g, "−");
}

/** A probability with three decimals: none that is above 0 reads as 0. */
export function probabilityText(value: number): string {
  return value > 0 && value < 0.0005 ? "< 0.001" : value.toFixed(3);
}

/** The two ends of an axis, with as many digits, from two on, as tell them apart. */
export function ends(low: number, high: number): readonly [string, string] {
  for (let digits = 2; digits < 6; digits++) {
    const pair = [number(low, digits), number(high, digits)] as const;
    if (low === high || pair[0] !== pair[1]) return pair;
  }
  return [number(low, 6), number(high, 6)];
}

export function percent(share: number): string {
  const value = 100 * share;
  const text = Math.abs(value) < 10 && value !== 0 ? value.toFixed(1) : value.toFixed(0);
  return `${text.replace("-", "−")}%`;
}
