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
  /** What the file calls a sample; the sample itself if not given. */
  readonly units?: {
    /** A value of the file is first + step × sample. */
    readonly first: number;
    readonly step: number;
    /** Of the unit; "" where there is none. */
    readonly name: string;
    /** Whether level and width are those of DICOM's window LINEAR, whose white is one value below level + width / 2. */
    readonly linear: boolean;
    /** The least and the largest sample. */
    readonly range: readonly [number, number];
  };
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
  /** Of a detector: the box whose score is explained. */
  readonly detection?: BoxData;
  /** Of a plane of a volume: its cells after the ReLU, in place of `values`. */
  readonly cells?: Float32Array;
  /** Of a volume: whether the whole map has both signs, and its largest value. */
  readonly signed?: boolean;
  readonly top?: number;
  /** Where that is in this plane; null where it is in another. */
  readonly peak?: readonly [number, number] | null;
}

type Three<T> = readonly [T, T, T];

/** A map of a volume, in the axes of its samples. */
export interface VolumeMapData extends Omit<MapData, "grid" | "geometry" | "cells"> {
  readonly grid: Three<number>;
  readonly geometry: { readonly model: Three<number>; readonly scale: Three<number>; readonly offset: Three<number> };
  /** Voxel of the largest value. */
  readonly at: Three<number>;
}

/** A mask that was annotated, in the voxels of the viewer. */
export interface AnnotationData {
  readonly label: string;
  /** Voxels outside and inside by turns, row by row. */
  readonly runs: readonly number[];
}

/** Voxels of a film whose rows are those of all slices, one slice below the other. */
export interface VolumeData {
  /** Slices, rows and columns. */
  readonly size: Three<number>;
  /** Of a voxel, an axis each, in mm or in any one unit. */
  readonly spacing: Three<number>;
  /** Whether the axes run to the head, to the back and to the left. */
  readonly oriented: boolean;
  /** Of the planes across each axis. */
  readonly names: Three<string>;
  /** The patient's directions at the left, right, top and bottom of each plane; "" where unknown. */
  readonly edges: Three<readonly [string, string, string, string]>;
  /** Voxel i covers first + step × i to first + step × (i + 1) of `count` planes of a file's axis. */
  readonly numbering: Three<{ readonly axis: number; readonly first: number; readonly step: number; readonly count: number }>;
  /** Voxel that is shown first. */
  readonly at: [number, number, number];
  readonly maps: readonly VolumeMapData[];
  /** The ground truth. */
  readonly annotations?: readonly AnnotationData[];
  /** What was reduced to come here; "" for nothing. */
  readonly note: string;
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
  /** Id of the map to begin with; without it the most probable finding. */
  readonly first?: string;
  /** Of a volume, whose maps are here, and not in `maps`. */
  readonly volume?: VolumeData;
}

/** Whether there is a ground truth to be drawn, in this plane or in another. */
export function hasTruth({ boxes, outlines, volume }: ViewerData): boolean {
  return boxes.length + outlines.length + (volume?.annotations?.length ?? 0) > 0;
}
