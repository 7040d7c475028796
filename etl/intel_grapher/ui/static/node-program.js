// The WebGL program of nodes: draws every shape by the distance of each pixel to its edge.
import { SHAPES } from "./palette.js";

const { NodeProgram } = globalThis.Sigma.rendering;
const { floatColor } = globalThis.Sigma.utils;
const { FLOAT, UNSIGNED_BYTE, POINTS } = WebGLRenderingContext;

// Points, not instanced triangles: software renderers draw each instance by itself, a hundred times slower.
const VERTEX = /* glsl */ `
attribute vec4 a_color;
attribute vec2 a_position;
attribute float a_size, a_shape;
uniform mat3 u_matrix;
uniform float u_sizeRatio, u_pixelRatio;
varying vec4 v_color;
varying float v_pixel, v_shape, v_ring;
void main() {
  float radius = a_size / u_sizeRatio * u_pixelRatio;
  gl_Position = vec4((u_matrix * vec3(a_position, 1)).xy, 0, 1);
  gl_PointSize = 2.0 * radius + 2.0;
  v_pixel = 1.0 / radius;
  v_ring = step(16.0, a_shape);
  v_shape = a_shape - 16.0 * v_ring;
  v_color = a_color;
  v_color.a *= 255.0 / 254.0;
}`;

const FRAGMENT = /* glsl */ `
precision highp float;
varying vec4 v_color;
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
  vec2 at = (2.0 * gl_PointCoord - 1.0) * (1.0 + v_pixel) * vec2(1.0, -1.0);
  if (v_pixel > 0.3 && v_ring < 0.5) { // three pixels and less: a dot, for no shape could be told
    if (dot(at, at) > 1.0) discard;
    gl_FragColor = v_color;
    return;
  }
  float scale = 1.0 - 0.3 * v_ring;
  float distance_ = edge(at / scale, v_shape) * scale;
  if (v_ring > 0.5) distance_ = min(distance_, abs(length(at) - 0.92) - 0.07);
  if (distance_ > v_pixel) discard;
  gl_FragColor = mix(v_color, clear, smoothstep(-0.5 * v_pixel, v_pixel, distance_));
}`;

export class ShapeProgram extends NodeProgram {
  // There is no second pass for picking: picture.js finds the node under the pointer by its position.
  constructor(gl, _pickingBuffer, renderer) {
    super(gl, null, renderer);
  }

  getDefinition() {
    return {
      VERTICES: 1,
      VERTEX_SHADER_SOURCE: VERTEX,
      FRAGMENT_SHADER_SOURCE: FRAGMENT,
      METHOD: POINTS,
      UNIFORMS: ["u_sizeRatio", "u_pixelRatio", "u_matrix"],
      ATTRIBUTES: [
        { name: "a_position", size: 2, type: FLOAT },
        { name: "a_size", size: 1, type: FLOAT },
        { name: "a_shape", size: 1, type: FLOAT },
        { name: "a_color", size: 4, type: UNSIGNED_BYTE, normalized: true },
      ],
    };
  }

  processVisibleItem(_id, start, node) {
    const { array } = this;
    array[start++] = node.x;
    array[start++] = node.y;
    array[start++] = node.ring ? node.size * 1.45 : node.size;
    array[start++] = Math.max(0, SHAPES.indexOf(node.shape)) + (node.ring ? 16 : 0);
    array[start] = floatColor(node.color);
  }

  setUniforms({ sizeRatio, pixelRatio, matrix }, { gl, uniformLocations }) {
    gl.uniform1f(uniformLocations.u_pixelRatio, pixelRatio);
    gl.uniform1f(uniformLocations.u_sizeRatio, sizeRatio);
    gl.uniformMatrix3fv(uniformLocations.u_matrix, false, matrix);
  }
}
