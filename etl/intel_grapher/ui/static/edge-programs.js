// WebGL programs of relationships: lines with an arrow's head, and thin lines for large pictures. Neither is instanced:
// software renderers draw each instance by itself.

const { EdgeProgram } = globalThis.Sigma.rendering;
const { floatColor } = globalThis.Sigma.utils;
const { FLOAT, UNSIGNED_BYTE, TRIANGLES, LINES } = WebGLRenderingContext;

const FRAGMENT = /* glsl */ `
precision mediump float;
varying vec4 v_color;
void main() { gl_FragColor = v_color; }`;

const ARROW = /* glsl */ `
attribute vec4 a_color;
attribute vec2 a_position, a_direction, a_offset;
uniform mat3 u_matrix;
uniform float u_sizeRatio, u_correctionRatio;
varying vec4 v_color;
void main() {
  vec2 away = a_direction * a_offset.x + vec2(-a_direction.y, a_direction.x) * a_offset.y;
  gl_Position = vec4((u_matrix * vec3(a_position + away * 2.0 * u_correctionRatio / u_sizeRatio, 1)).xy, 0, 1);
  v_color = a_color;
  v_color.a *= 255.0 / 254.0;
}`;

const THIN = /* glsl */ `
attribute vec4 a_color;
attribute vec2 a_position;
uniform mat3 u_matrix;
varying vec4 v_color;
void main() {
  gl_Position = vec4((u_matrix * vec3(a_position, 1)).xy, 0, 1);
  v_color = a_color;
  v_color.a *= 255.0 / 254.0;
}`;

const POSITION = { name: "a_position", size: 2, type: FLOAT };
const COLOR = { name: "a_color", size: 4, type: UNSIGNED_BYTE, normalized: true };

export class ArrowProgram extends EdgeProgram {
  constructor(gl, _pickingBuffer, renderer) {
    super(gl, null, renderer);
  }

  getDefinition() {
    return {
      VERTICES: 9,
      VERTEX_SHADER_SOURCE: ARROW,
      FRAGMENT_SHADER_SOURCE: FRAGMENT,
      METHOD: TRIANGLES,
      UNIFORMS: ["u_matrix", "u_sizeRatio", "u_correctionRatio"],
      ATTRIBUTES: [
        POSITION,
        { name: "a_direction", size: 2, type: FLOAT },
        { name: "a_offset", size: 2, type: FLOAT },
        COLOR,
      ],
    };
  }

  processVisibleItem(_id, start, source, target, edge) {
    const { array } = this;
    const [dx, dy] = [target.x - source.x, target.y - source.y];
    const length = Math.hypot(dx, dy) || 1;
    const color = floatColor(edge.color);
    const half = edge.size / 2;
    const tip = -target.size * (target.ring ? 1.4 : 1) - 1;
    const head = Math.min(5, 1 + target.size); // no larger than what it points to
    const [neck, wide] = edge.plain ? [0, 0] : [tip - head - edge.size, 0.4 * head + edge.size];
    let at = start;
    const put = (end, along, side) => {
      array[at++] = end.x;
      array[at++] = end.y;
      array[at++] = dx / length;
      array[at++] = dy / length;
      array[at++] = along;
      array[at++] = side;
      array[at++] = color;
    };
    put(source, 0, half);
    put(source, 0, -half);
    put(target, neck, half);
    put(source, 0, -half);
    put(target, neck, -half);
    put(target, neck, half);
    put(target, neck, wide);
    put(target, neck, -wide);
    put(target, edge.plain ? 0 : tip, 0);
  }

  setUniforms({ matrix, sizeRatio, correctionRatio }, { gl, uniformLocations }) {
    gl.uniformMatrix3fv(uniformLocations.u_matrix, false, matrix);
    gl.uniform1f(uniformLocations.u_sizeRatio, sizeRatio);
    gl.uniform1f(uniformLocations.u_correctionRatio, correctionRatio);
  }
}

export class ThinProgram extends EdgeProgram {
  constructor(gl, _pickingBuffer, renderer) {
    super(gl, null, renderer);
  }

  getDefinition() {
    return {
      VERTICES: 2,
      VERTEX_SHADER_SOURCE: THIN,
      FRAGMENT_SHADER_SOURCE: FRAGMENT,
      METHOD: LINES,
      UNIFORMS: ["u_matrix"],
      ATTRIBUTES: [POSITION, COLOR],
    };
  }

  processVisibleItem(_id, start, source, target, edge) {
    const { array } = this;
    const color = floatColor(edge.color);
    [array[start], array[start + 1], array[start + 2]] = [source.x, source.y, color];
    [array[start + 3], array[start + 4], array[start + 5]] = [target.x, target.y, color];
  }

  setUniforms({ matrix }, { gl, uniformLocations }) {
    gl.uniformMatrix3fv(uniformLocations.u_matrix, false, matrix);
  }
}
