/** The ZIP of a series, read by its own numbers. */

import { expect, it } from "vitest";
import { asSeries, zip } from "../app/series.js";

const encode = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>;

function slice(name: string): File {
  return new File([new Uint8Array(128), encode("DICM"), encode(name)], name);
}

it("stores files with their checksums where its directory says", async () => {
  const bytes = await new Blob(await zip([new Blob([encode("123456789")]), new Blob([encode("b")])])).arrayBuffer();
  const view = new DataView(bytes);
  const end = bytes.byteLength - 22;
  expect(view.getUint32(end, true)).toBe(0x06054b50);
  expect(view.getUint16(end + 10, true)).toBe(2);
  const first = view.getUint32(end + 16, true);
  expect(first + view.getUint32(end + 12, true)).toBe(end);
  expect(view.getUint32(first + 16, true)).toBe(0xcbf43926); // the check value of CRC-32
  const second = first + 46 + 1;
  const local = view.getUint32(second + 42, true);
  expect(view.getUint32(local, true)).toBe(0x04034b50);
  expect(new Uint8Array(bytes, local + 30, 2)).toEqual(encode("1b"));
});

it("packs the slices of a series, and leaves other files as they are", async () => {
  const image = new File(["png"], "a.png");
  const given = await asSeries([slice("1.dcm"), image, slice("2.dcm"), new File([""], "DICOMDIR")]);
  expect(given.map(({ name }) => name)).toEqual(["1.dcm and 1 more", "a.png"]);
  expect(await asSeries([slice("1.dcm"), image])).toHaveLength(2);
});
