/** The shader: film by four samples of a level, map by four of its field, then colour. */

export const VERTEX = `#version 300 es
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  gl_Position = vec4(4.0 * corner - 1.0, 0.0, 1.0);
}`;

export const FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp usampler2DArray;

uniform usampler2DArray film;
uniform ivec2 levelSize;     // of the level in use, in its pixels
uniform int level;
uniform int tileBits;        // a tile of the level has 1 << tileBits pixels a side
uniform int tilesAcross;
uniform bool grey;
uniform vec2 filmSize;
uniform vec2 origin;         // film coordinates of the panel's upper left corner
uniform vec2 panel;          // left edge and height of the panel in the canvas
uniform float pixelSize;    // pixels of the film for one of the canvas
uniform vec2 window;         // the sample that is black, and 1 / width
uniform bool invert;
uniform bool hasMap;
uniform sampler2D field;
uniform vec2 mapScale;
uniform vec2 mapOffset;
uniform float limit;
uniform float threshold;
uniform bool diverging;
uniform sampler2D palette;   // 256 colours
uniform sampler2D opacity;   // LEVELS opacities
out vec4 colour;

vec3 texel(ivec2 p) {
  ivec2 q = clamp(p, ivec2(0), levelSize - 1);
  ivec2 tile = q >> tileBits;
  ivec2 inside = q & ((1 << tileBits) - 1);
  uvec4 s = texelFetch(film, ivec3(inside, tile.y * tilesAcross + tile.x), level);
  return grey ? vec3(float(s.r)) : vec3(s.rgb);
}

vec3 filmAt(vec2 edge) {
  vec2 centre = edge / float(1 << level) - 0.5;
  vec2 low = floor(centre);
  vec2 w = centre - low;
  ivec2 p = ivec2(low);
  vec3 upper = mix(texel(p), texel(p + ivec2(1, 0)), w.x);
  vec3 lower = mix(texel(p + ivec2(0, 1)), texel(p + ivec2(1, 1)), w.x);
  vec3 shown = clamp((mix(upper, lower, w.y) - window.x) * window.y, 0.0, 1.0);
  return invert ? 1.0 - shown : shown;
}

float mapAt(vec2 edge) {
  vec2 onModel = edge * mapScale + mapOffset;
  vec2 size = vec2(textureSize(field, 0));
  if (any(lessThan(onModel, vec2(0))) || any(greaterThan(onModel, size))) return 0.0;
  vec2 centre = clamp(onModel - 0.5, vec2(0), size - 1.0);
  ivec2 low = ivec2(floor(centre));
  ivec2 high = min(low + 1, ivec2(size) - 1);
  vec2 w = centre - vec2(low);
  float upper = mix(texelFetch(field, low, 0).r, texelFetch(field, ivec2(high.x, low.y), 0).r, w.x);
  float lower = mix(texelFetch(field, ivec2(low.x, high.y), 0).r, texelFetch(field, high, 0).r, w.x);
  return mix(upper, lower, w.y);
}

void main() {
  vec2 pixel = vec2(gl_FragCoord.x - panel.x, panel.y - gl_FragCoord.y);
  vec2 edge = origin + pixel * pixelSize;
  if (any(lessThan(edge, vec2(0))) || any(greaterThanEqual(edge, filmSize))) {
    colour = vec4(0.0, 0.0, 0.0, 1.0);
    return;
  }
  vec3 base = filmAt(edge);
  float heat = hasMap ? clamp(mapAt(edge) / limit, -1.0, 1.0) : 0.0;
  float magnitude = abs(heat);
  if (magnitude == 0.0 || magnitude < threshold) {
    colour = vec4(base, 1.0);
    return;
  }
  float share = diverging ? heat / 2.0 + 0.5 : max(heat, 0.0);
  vec3 hue = texelFetch(palette, ivec2(clamp(int(share * 256.0), 0, 255), 0), 0).rgb;
  int last = textureSize(opacity, 0).x - 1;
  float at = magnitude * float(last);
  int lower = min(int(at), last - 1);
  float a = mix(texelFetch(opacity, ivec2(lower, 0), 0).r,
                texelFetch(opacity, ivec2(lower + 1, 0), 0).r, at - float(lower));
  colour = vec4(mix(base, hue, a), 1.0);
}`;
