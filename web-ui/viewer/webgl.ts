/** The painter of WebGL 2. A film of any size is cut into tiles, the layers of one texture. */

import { opacityTable, palette } from "./colour.js";
import type { Film } from "./film.js";
import type { Layer } from "./layer.js";
import { type Painter, type Panel, type Scene, origin } from "./painter.js";
import { type Level, levelFor, pyramid } from "./pyramid.js";
import { FRAGMENT, VERTEX } from "./shaders.js";

const TILE_BITS = 10;
/** Fields of maps that stay in the memory of the graphics card. */
const KEPT_FIELDS = 16;

type GL = WebGL2RenderingContext;

/** Renderers that draw without a graphics card: there the tables of canvas 2D are faster. */
const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;

/** Whether this browser's WebGL is such a renderer; null before it is known. */
let isSoftware: boolean | null = null;

/**
 * Null where the browser has no WebGL 2, or only in software and it is not `forced`: the canvas can
 * then be used for nothing else.
 */
export function webglPainter(canvas: HTMLCanvasElement, forced: boolean): Painter | null {
  if (isSoftware === true && !forced) return null;
  const options = { alpha: false, antialias: false, depth: false };
  const gl = canvas.getContext("webgl2", options) as GL | null;
  if (gl === null) return null;
  isSoftware ??= SOFTWARE.test(rendererOf(gl));
  if (!isSoftware || forced) return new WebglPainter(gl);
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return null;
}

function rendererOf(gl: GL): string {
  const about = gl.getExtension("WEBGL_debug_renderer_info");
  return String(gl.getParameter(about?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER));
}

class WebglPainter implements Painter {
  readonly kind = "webgl";
  private readonly program: WebGLProgram;
  private readonly places = new Map<string, WebGLUniformLocation | null>();
  private readonly fields = new Map<Layer, WebGLTexture>();
  private readonly palettes = new Map<string, WebGLTexture>();
  private readonly opacity: WebGLTexture;
  private source: Film | null = null;
  private film: WebGLTexture | null = null;
  private channels = 1;
  private levels: { width: number; height: number }[] = [];
  private tileBits = TILE_BITS;
  private across = 1;
  private readonly pixel = new Uint8Array(4);

  constructor(private readonly gl: GL) {
    this.program = linked(gl);
    gl.useProgram(this.program);
    gl.bindVertexArray(gl.createVertexArray());
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    this.opacity = texture(gl, gl.TEXTURE_2D);
    for (const [unit, name] of ["film", "field", "palette", "opacity"].entries()) {
      gl.uniform1i(this.at(name), unit);
    }
  }

  setFilm(film: Film): void {
    const { gl } = this;
    for (const made of this.fields.values()) gl.deleteTexture(made);
    this.fields.clear();
    if (film === this.source) return; // other maps of the same film
    this.source = film;
    if (this.film !== null) gl.deleteTexture(this.film);
    const longest = Math.max(film.width, film.height);
    this.tileBits = Math.min(TILE_BITS, Math.max(1, Math.ceil(Math.log2(longest))));
    const side = 1 << this.tileBits;
    this.across = Math.ceil(film.width / side);
    const tiles = this.across * Math.ceil(film.height / side);
    const levels = pyramid(film).slice(0, this.tileBits + 1);
    this.channels = film.channels;
    this.levels = levels.map(({ width, height }) => ({ width, height }));
    gl.activeTexture(gl.TEXTURE0);
    this.film = texture(gl, gl.TEXTURE_2D_ARRAY);
    const kind = film.channels === 3 ? gl.RGB8UI : film.bits === 8 ? gl.R8UI : gl.R16UI;
    gl.texStorage3D(gl.TEXTURE_2D_ARRAY, levels.length, kind, side, side, tiles);
    levels.forEach((level, number) => this.upload(level, number, film));
    const error = gl.getError();
    if (error !== gl.NO_ERROR) {
      throw new Error(`the graphics card refused the film (WebGL error ${error}); turn off graphics acceleration in the browser's settings`);
    }
  }

  private upload(level: Level, number: number, film: Film): void {
    const { gl } = this;
    const side = 1 << (this.tileBits - number);
    const format = film.channels === 3 ? gl.RGB_INTEGER : gl.RED_INTEGER;
    const kind = film.bits === 8 ? gl.UNSIGNED_BYTE : gl.UNSIGNED_SHORT;
    gl.pixelStorei(gl.UNPACK_ROW_LENGTH, level.width);
    gl.pixelStorei(gl.UNPACK_IMAGE_HEIGHT, level.height); // or rows below the first tile are refused
    for (let top = 0; top < level.height; top += side) {
      for (let left = 0; left < level.width; left += side) {
        const tile = (top / side) * this.across + left / side;
        const width = Math.min(side, level.width - left);
        const height = Math.min(side, level.height - top);
        gl.pixelStorei(gl.UNPACK_SKIP_ROWS, top);
        gl.pixelStorei(gl.UNPACK_SKIP_PIXELS, left);
        const place = [gl.TEXTURE_2D_ARRAY, number, 0, 0, tile, width, height, 1] as const;
        gl.texSubImage3D(...place, format, kind, level.samples);
      }
    }
    gl.pixelStorei(gl.UNPACK_ROW_LENGTH, 0);
    gl.pixelStorei(gl.UNPACK_IMAGE_HEIGHT, 0);
    gl.pixelStorei(gl.UNPACK_SKIP_ROWS, 0);
    gl.pixelStorei(gl.UNPACK_SKIP_PIXELS, 0);
  }

  draw(scene: Scene): void {
    const { gl } = this;
    if (this.film === null) return;
    gl.enable(gl.SCISSOR_TEST);
    for (const panel of scene.panels) this.drawPanel(scene, panel);
  }

  finish(): void {
    const { gl } = this;
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, this.pixel);
  }

  private drawPanel(scene: Scene, panel: Panel): void {
    const { gl } = this;
    gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.scissor(panel.left, 0, panel.width, panel.height);
    this.setFilmUniforms(scene, panel);
    this.setMapUniforms(scene, panel);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  private setFilmUniforms(scene: Scene, panel: Panel): void {
    const { gl } = this;
    const level = levelFor(scene.step, this.levels.length);
    const size = this.levels[level]!;
    const [film] = this.levels;
    gl.uniform2i(this.at("levelSize"), size.width, size.height);
    gl.uniform1i(this.at("level"), level);
    gl.uniform1i(this.at("tileBits"), this.tileBits - level);
    gl.uniform1i(this.at("tilesAcross"), this.across);
    gl.uniform1i(this.at("grey"), this.channels === 1 ? 1 : 0);
    gl.uniform2f(this.at("filmSize"), film!.width, film!.height);
    gl.uniform2f(this.at("origin"), ...origin(scene, panel));
    gl.uniform2f(this.at("panel"), panel.left, panel.height);
    gl.uniform1f(this.at("pixelSize"), scene.step);
    gl.uniform2f(this.at("window"), scene.low, 1 / Math.max(scene.high - scene.low, 1e-6));
    gl.uniform1i(this.at("invert"), scene.invert ? 1 : 0);
  }

  private setMapUniforms(scene: Scene, panel: Panel): void {
    const { gl } = this;
    const { layer, limit } = panel;
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, this.film);
    gl.uniform1i(this.at("hasMap"), layer !== null && limit > 0 ? 1 : 0);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, layer === null ? this.opacity : this.fieldOf(layer));
    if (layer !== null) {
      const { scale, offset } = layer.geometry;
      gl.uniform2f(this.at("mapScale"), scale[1], scale[0]);
      gl.uniform2f(this.at("mapOffset"), offset[1], offset[0]);
    }
    gl.uniform1f(this.at("limit"), limit);
    gl.uniform1f(this.at("threshold"), scene.threshold);
    gl.uniform1i(this.at("diverging"), palette(panel.palette).diverging ? 1 : 0);
    gl.activeTexture(gl.TEXTURE2);
    gl.bindTexture(gl.TEXTURE_2D, this.paletteOf(panel.palette));
    gl.activeTexture(gl.TEXTURE3);
    gl.bindTexture(gl.TEXTURE_2D, this.opacity);
    const table = Float32Array.from(opacityTable(panel.palette, scene.opacity));
    const size = [gl.TEXTURE_2D, 0, gl.R32F, table.length, 1, 0] as const;
    gl.texImage2D(...size, gl.RED, gl.FLOAT, table);
  }

  private fieldOf(layer: Layer): WebGLTexture {
    const { gl, fields } = this;
    let made = fields.get(layer);
    if (made !== undefined) return made;
    if (fields.size >= KEPT_FIELDS) {
      for (const old of fields.values()) gl.deleteTexture(old);
      fields.clear();
    }
    made = texture(gl, gl.TEXTURE_2D);
    const { columns, rows, values } = layer.field;
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R32F, columns, rows, 0, gl.RED, gl.FLOAT, values);
    fields.set(layer, made);
    return made;
  }

  private paletteOf(name: string): WebGLTexture {
    const { gl, palettes } = this;
    let made = palettes.get(name);
    if (made !== undefined) return made;
    made = texture(gl, gl.TEXTURE_2D);
    const { colours } = palette(name);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB8, 256, 1, 0, gl.RGB, gl.UNSIGNED_BYTE, colours);
    palettes.set(name, made);
    return made;
  }

  private at(name: string): WebGLUniformLocation | null {
    if (!this.places.has(name)) {
      this.places.set(name, this.gl.getUniformLocation(this.program, name));
    }
    return this.places.get(name) ?? null;
  }

  dispose(): void {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

function texture(gl: GL, target: number): WebGLTexture {
  const made = gl.createTexture();
  gl.bindTexture(target, made);
  for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
    const mipmapped = target === gl.TEXTURE_2D_ARRAY && name === gl.TEXTURE_MIN_FILTER;
    gl.texParameteri(target, name, mipmapped ? gl.NEAREST_MIPMAP_NEAREST : gl.NEAREST);
  }
  gl.texParameteri(target, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(target, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  return made;
}

function linked(gl: GL): WebGLProgram {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]] as const) {
    const shader = gl.createShader(kind)!;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(gl.getProgramInfoLog(program) ?? "the shader cannot be linked");
  }
  return program;
}
