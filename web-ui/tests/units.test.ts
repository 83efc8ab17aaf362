/** Level and width in the values of the file, and back to samples. */

import { describe, expect, it } from "vitest";
import type { FilmData } from "../viewer/data.js";
import { Units } from "../viewer/units.js";

function film(about: Partial<FilmData>): FilmData {
  const plain = { id: "a", width: 2, height: 2, channels: 1, bits: 16, data: "", window: [0, 65535], invert: false } as const;
  return { ...plain, ...about };
}

const RANGE = [0, 65520] as const;
const PLAIN = { first: 0, name: "", linear: false, range: RANGE };

describe("the values of", () => {
  it("a CT are Hounsfield units, and its window is that of the header", () => {
    const about = { first: -1024, step: 1 / 16, name: "HU", linear: true, range: RANGE };
    const units = new Units(film({ units: about, window: [16 * 864, 16 * 1263] }));
    expect(units.window({ low: 16 * 864, high: 16 * 1263 })).toEqual({ level: 40, width: 400 });
    expect(units.samples({ level: 40, width: 400 })).toEqual({ low: 16 * 864, high: 16 * 1263 });
    expect([units.least, units.most, units.grain]).toEqual([-1024, 3071, 1]);
    expect(units.reading([16 * 7])).toBe("−1017\u00a0HU");
  });

  it("twelve bits in sixteen are the stored ones", () => {
    const units = new Units(film({ units: { ...PLAIN, step: 1 / 16 }, window: RANGE }));
    expect(units.text(units.window({ low: 0, high: 65520 }).width)).toBe("4095");
    expect(units.reading([16 * 1500])).toBe("1500");
  });

  it("a film whose lowest value is white count down", () => {
    const units = new Units(film({ bits: 8, window: [0, 254], units: { ...PLAIN, first: 255, step: -1, range: [0, 254] } }));
    expect([units.least, units.most]).toEqual([1, 255]);
    expect(units.window({ low: 0, high: 254 })).toEqual({ level: 128, width: 254 });
    expect(units.samples({ level: 200, width: 50 })).toEqual({ low: 30, high: 80 });
    expect(units.reading([254])).toBe("1");
  });

  it("a film without units are its samples", () => {
    const units = new Units(film({ bits: 8, window: [0, 255] }));
    expect(units.window({ low: 0, high: 255 })).toEqual({ level: 127.5, width: 255 });
    expect([units.text(127.5), units.reading([7, 8, 9]), units.grain]).toEqual(["127.5", "7 8 9", 1]);
  });

  it("a display are percent, in tenths", () => {
    const units = new Units(film({ units: { ...PLAIN, step: 100 / 65535, name: "%", range: [0, 65535] } }));
    expect([units.grain, units.reading([32768])]).toEqual([0.1, "50%"]);
  });
});

describe("a window", () => {
  const units = new Units(film({ bits: 8, window: [0, 255] }));

  it("steps by whole values that fit its width", () => {
    expect(units.stepped({ low: 100, high: 140 }, 1, 0)).toEqual({ low: 103, high: 143 });
    expect(units.window(units.stepped({ low: 100, high: 140 }, 0, -1)).width).toBe(37);
    expect(units.window(units.stepped({ low: 100, high: 101 }, 0, -5)).width).toBe(1);
  });

  it("stays on the values of the film", () => {
    expect(units.window(units.samples({ level: 900, width: 9000 }))).toEqual({ level: 255, width: 510 });
  });

  it("of a film of one value has a width", () => {
    const one = new Units(film({ units: { ...PLAIN, step: 1, range: [7, 7] }, window: [7, 7] }));
    expect(one.widest).toBeGreaterThanOrEqual(0);
    expect(Number.isFinite(one.samples(one.window({ low: 7, high: 7 })).low)).toBe(true);
  });
});
