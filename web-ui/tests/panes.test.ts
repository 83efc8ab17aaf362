import { describe, expect, it } from "vitest";
import { columnsOf } from "../app/panes.js";

const CAPTION = 40;
const SQUARE = { width: 1000, height: 1000 };

describe("columnsOf", () => {
  it("shows the films as large as possible", () => {
    expect(columnsOf(3, { width: 1200, height: 400 }, SQUARE, CAPTION)).toBe(3);
    expect(columnsOf(3, { width: 900, height: 960 }, SQUARE, CAPTION)).toBe(2);
    expect(columnsOf(3, { width: 400, height: 1300 }, SQUARE, CAPTION)).toBe(1);
    expect(columnsOf(4, { width: 980, height: 760 }, SQUARE, CAPTION)).toBe(2);
  });

  it("takes the films' own form into account", () => {
    const space = { width: 1000, height: 700 };
    expect(columnsOf(2, space, { width: 1000, height: 2000 }, CAPTION)).toBe(2);
    expect(columnsOf(2, space, { width: 2000, height: 600 }, CAPTION)).toBe(1);
  });
});
