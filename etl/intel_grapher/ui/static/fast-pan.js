// Panning and zooming of large pictures. Without a graphics card, drawing takes many times as long as a frame may. So
// the last drawing is moved and scaled while the camera moves, and is drawn again once the camera stands still or has
// gone far.

const STILL = 250; // milliseconds without a move, after which the picture is drawn again
const BARE = 0.4; // share of the picture that may be bare at its edges before it is drawn again during a move
const GROWN = 8; // scale, likewise
const REST = 5; // drawing during a move takes at most 1 / (1 + REST) of the time

/**
 * Makes a sigma renderer move its last drawing while the camera moves, where `large` says so.
 * It replaces private members of sigma 3: look here first when sigma is updated.
 * @param {any} sigma
 * @param {() => boolean} large
 */
export function panFast(sigma, large) {
  const draw = sigma.render.bind(sigma);
  const camera = () => sigma.getCamera().getState();
  let [drawn, timer] = [null, null];
  let [at, cost] = [0, 0];

  const layers = () =>
    Object.entries(sigma.getCanvases())
      .filter(([name]) => name !== "mouse")
      .map(([, canvas]) => canvas);
  const turn = (transform) => {
    for (const each of layers()) each.style.transform = transform;
  };

  function anew() {
    clearTimeout(timer);
    timer = null;
    turn("");
    const began = performance.now();
    at = began;
    draw();
    drawn = camera();
    requestAnimationFrame(() =>
      requestAnimationFrame(() => {
        at = performance.now();
        cost = at - began;
      }),
    );
    return sigma;
  }

  sigma.render = () => {
    const now = camera();
    if (!large() || sigma.needToProcess || !drawn || now.angle !== drawn.angle) return anew();
    const [corner, other] = [
      { x: 0, y: 0 },
      { x: 1, y: 1 },
    ].map((point) => [drawn, now].map((cameraState) => sigma.framedGraphToViewport(point, { cameraState })));
    const scale = (other[1].x - corner[1].x) / (other[0].x - corner[0].x);
    const [x, y] = [corner[1].x - scale * corner[0].x, corner[1].y - scale * corner[0].y];
    const { width, height } = sigma.getDimensions();
    if (scale === 1 && x === 0 && y === 0) return anew();
    const covered = (from, size) => Math.max(0, Math.min(size, from + scale * size) - Math.max(0, from)) / size;
    const far = 1 - covered(x, width) * covered(y, height) > BARE || scale > GROWN;
    if (far && performance.now() - at > REST * cost) return anew();
    cancelAnimationFrame(sigma.renderFrame);
    sigma.renderFrame = null;
    turn(`translate(${x}px, ${y}px) scale(${scale})`);
    clearTimeout(timer);
    timer = setTimeout(anew, STILL);
    return sigma;
  };

  // Sigma converts positions with the matrix of the last drawing; while that is moved, the camera is elsewhere.
  for (const name of ["viewportToFramedGraph", "framedGraphToViewport"]) {
    const told = sigma[name].bind(sigma);
    sigma[name] = (place, override = {}) =>
      told(
        place,
        timer && !override.matrix && !override.cameraState ? { ...override, cameraState: camera() } : override,
      );
  }
}
