/** What a viewer is given, as it travels in JSON: docs/reference/viewer.md. */

/** Grey levels or colours of an image, in its own pixels. */
export interface FilmData {
  readonly id: string;
  readonly width: number;
  readonly height: number;
  /** 1: grey; 3: red, green, blue. */
  readonly channels: 1 | 3;
  readonly bits: 8 | 16;
  /** Base64 of zlib: see decodeFilm. */
  readonly data: string;
  /** Samples that are black and white at first. */
  readonly window: readonly [number, number];
  readonly invert: boolean;
}

/** How the model's input lies on the film, an axis each: model = scale × film + offset. */
export interface GeometryData {
  /** Rows and columns of the model's input. */
  readonly model: readonly [number, number];
  readonly scale: readonly [number, number];
  readonly offset: readonly [number, number];
}

/** A signed map of low resolution, as the method gave it. */
export interface MapData {
  readonly id: string;
  readonly target: string;
  readonly method: string;
  readonly layer: string;
  /** Null where it is not to be seen. */
  readonly score: number | null;
  readonly score_kind: string;
  readonly probability: number | null;
  /** Of the values: that of the score, "activation" or "none". */
  readonly unit: string;
  /** Rows and columns. */
  readonly grid: readonly [number, number];
  /** Base64 of little-endian float32, row by row. */
  readonly values: string;
  /** Whether the method's paper ends with a ReLU, so that only positive values are drawn. */
  readonly relu: boolean;
  readonly geometry: GeometryData;
  /** The largest magnitude that is drawn: full colour on the map's own scale. */
  readonly limit: number;
  /** Why there is no evidence; null where there is some. */
  readonly empty: string | null;
}

/** A rectangle in pixels of the film: its upper left corner and its size. */
export interface BoxData {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly label: string;
}

/** Lines round a finding that was annotated; points are x, y in pixels of the film. */
export interface OutlineData {
  readonly label: string;
  readonly lines: readonly (readonly (readonly [number, number])[])[];
}

export interface ViewerData {
  readonly film: FilmData;
  readonly maps: readonly MapData[];
  /** Annotated boxes: the ground truth. */
  readonly boxes: readonly BoxData[];
  /** Annotated outlines: the ground truth. */
  readonly outlines: readonly OutlineData[];
  /** Always shown: "Research use only". */
  readonly notice: string;
  readonly synthetic: boolean;
  /** The colour map to begin with; null for the viewer's own. */
  readonly colormap: string | null;
}
