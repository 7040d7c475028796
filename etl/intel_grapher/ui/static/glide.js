// A large picture is not drawn anew for each step of a pan or a zoom: where no graphics card helps, that takes many
// times as long as a frame may. What is drawn is moved and scaled as it stands, lines and labels with it; it is drawn
// anew when it stands still, or has gone far.

const STILL = 250; // milliseconds
const BARE = 0.4; // of the picture may be bare at its edges,
const GROWN = 8; // and it may be so many times as large as it was drawn,
const REST = 5; // before it is drawn anew on the way, for a sixth of the time at most

export function glide(sigma, large) {
  const draw = sigma.render.bind(sigma);
  const camera = () => sigma.getCamera().getState();
  let [drawn, timer] = [null, null];
  let [at, cost] = [0, 0];

  const layers = () => Object.entries(sigma.getCanvases()).filter(([name]) => name !== "mouse").map(([, canvas]) => canvas);
  const turn = (transform) => { for (const each of layers()) each.style.transform = transform; };

  function anew() {
    clearTimeout(timer);
    timer = null;
    turn("");
    const began = performance.now();
    at = began;
    draw();
    drawn = camera();
    requestAnimationFrame(() => requestAnimationFrame(() => { at = performance.now(); cost = at - began; }));
    return sigma;
  }

  sigma.render = () => {
    const now = camera();
    if (!large() || sigma.needToProcess || !drawn || now.angle !== drawn.angle) return anew();
    const [corner, other] = [{ x: 0, y: 0 }, { x: 1, y: 1 }].map((point) => [drawn, now].map((cameraState) => sigma.framedGraphToViewport(point, { cameraState })));
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

  // Places are told by the matrix of what was drawn last; meanwhile the camera has moved on.
  for (const name of ["viewportToFramedGraph", "framedGraphToViewport"]) {
    const told = sigma[name].bind(sigma);
    sigma[name] = (place, override = {}) => told(place, timer && !override.matrix && !override.cameraState ? { ...override, cameraState: camera() } : override);
  }
}
