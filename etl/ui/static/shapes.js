// One WebGL program draws every shape: the distance to its edge is worked out for each pixel.
import { SHAPES } from "./palette.js";

const { NodeProgram } = globalThis.Sigma.rendering;
const { floatColor } = globalThis.Sigma.utils;
const { FLOAT, UNSIGNED_BYTE, TRIANGLES } = WebGLRenderingContext;

const VERTEX = /* glsl */ `
attribute vec4 a_id, a_color;
attribute vec2 a_position;
attribute float a_size, a_angle, a_shape;
uniform mat3 u_matrix;
uniform float u_sizeRatio, u_correctionRatio;
varying vec4 v_color;
varying vec2 v_at;
varying float v_pixel, v_shape, v_ring;
void main() {
  float radius = a_size * u_correctionRatio / u_sizeRatio * 2.0;
  vec2 away = 2.0 * vec2(cos(a_angle), sin(a_angle));
  gl_Position = vec4((u_matrix * vec3(a_position + radius * away, 1)).xy, 0, 1);
  v_at = away;
  v_pixel = u_correctionRatio * 1.4 / radius;
  v_ring = step(16.0, a_shape);
  v_shape = a_shape - 16.0 * v_ring;
  #ifdef PICKING_MODE
  v_color = a_id;
  #else
  v_color = a_color;
  #endif
  v_color.a *= 255.0 / 254.0;
}`;

const FRAGMENT = /* glsl */ `
precision highp float;
varying vec4 v_color;
varying vec2 v_at;
varying float v_pixel, v_shape, v_ring;
const vec4 clear = vec4(0.0);
float box(vec2 p, vec2 half_) { vec2 d = abs(p) - half_; return max(d.x, d.y); }
float edge(vec2 p, float shape) {
  if (shape < 0.5) return length(p) - 0.94;
  if (shape < 1.5) return box(p, vec2(0.72));
  if (shape < 2.5) return (abs(p.x) + abs(p.y) - 1.0) * 0.7071;
  if (shape < 3.5) return max(abs(p.x) * 0.866 + p.y * 0.5, -p.y) - 0.5;
  if (shape < 4.5) { vec2 q = abs(p); return max(q.y, q.x * 0.866 + q.y * 0.5) - 0.84; }
  if (shape < 5.5) {
    float a = mod(atan(p.x, p.y) + 0.6283, 1.2566) - 0.6283;
    vec2 q = length(p) * vec2(cos(a), abs(sin(a)));
    vec2 tip = vec2(1.0, 0.0), dent = 0.45 * vec2(cos(0.6283), sin(0.6283));
    vec2 side = normalize(dent - tip);
    return dot(q - tip, vec2(side.y, -side.x));
  }
  return min(box(p, vec2(0.3, 0.95)), box(p, vec2(0.95, 0.3)));
}
void main() {
  float scale = 1.0 - 0.3 * v_ring;
  float inside = edge(v_at / scale, v_shape) * scale;
  float ring = v_ring > 0.5 ? abs(length(v_at) - 0.92) - 0.07 : 1.0;
  float distance_ = min(inside, ring);
  #ifdef PICKING_MODE
  gl_FragColor = min(distance_, length(v_at) - 0.8) > 0.0 ? clear : v_color;
  #else
  if (distance_ > v_pixel) discard;
  gl_FragColor = mix(v_color, clear, smoothstep(-0.5 * v_pixel, v_pixel, distance_));
  #endif
}`;

export class ShapeProgram extends NodeProgram {
  // Without a second pass for picking: which node the mouse is on is worked out from their places (picture.js).
  constructor(gl, _pickingBuffer, renderer) {
    super(gl, null, renderer);
  }

  getDefinition() {
    return {
      VERTICES: 3,
      VERTEX_SHADER_SOURCE: VERTEX,
      FRAGMENT_SHADER_SOURCE: FRAGMENT,
      METHOD: TRIANGLES,
      UNIFORMS: ["u_sizeRatio", "u_correctionRatio", "u_matrix"],
      ATTRIBUTES: [
        { name: "a_position", size: 2, type: FLOAT },
        { name: "a_size", size: 1, type: FLOAT },
        { name: "a_shape", size: 1, type: FLOAT },
        { name: "a_color", size: 4, type: UNSIGNED_BYTE, normalized: true },
        { name: "a_id", size: 4, type: UNSIGNED_BYTE, normalized: true },
      ],
      CONSTANT_ATTRIBUTES: [{ name: "a_angle", size: 1, type: FLOAT }],
      CONSTANT_DATA: [[Math.PI / 2], [(7 * Math.PI) / 6], [(11 * Math.PI) / 6]],
    };
  }

  processVisibleItem(id, start, node) {
    const { array } = this;
    array[start++] = node.x;
    array[start++] = node.y;
    array[start++] = node.ring ? node.size * 1.45 : node.size;
    array[start++] = Math.max(0, SHAPES.indexOf(node.shape)) + (node.ring ? 16 : 0);
    array[start++] = floatColor(node.color);
    array[start++] = id;
  }

  setUniforms({ sizeRatio, correctionRatio, matrix }, { gl, uniformLocations }) {
    gl.uniform1f(uniformLocations.u_correctionRatio, correctionRatio);
    gl.uniform1f(uniformLocations.u_sizeRatio, sizeRatio);
    gl.uniformMatrix3fv(uniformLocations.u_matrix, false, matrix);
  }
}
