// A large picture is not drawn anew for each step of a pan or a zoom: where no graphics card helps, that takes many
// times as long as a frame may. What is drawn is moved and scaled as it stands, lines and labels with it; it is drawn
// anew as soon as it stands still, or has gone far.

const STILL = 250; // milliseconds
const FAR = 0.45; // of the picture's width or height
const GROWN = 2.2;

export function glide(sigma, large) {
  const draw = sigma.render.bind(sigma);
  const camera = () => sigma.getCamera().getState();
  let [drawn, timer] = [null, null];

  const layers = () => Object.entries(sigma.getCanvases()).filter(([name]) => name !== "mouse").map(([, canvas]) => canvas);
  const turn = (transform) => { for (const each of layers()) each.style.transform = transform; };

  function anew() {
    clearTimeout(timer);
    timer = null;
    turn("");
    draw();
    drawn = camera();
    return sigma;
  }

  sigma.render = () => {
    const now = camera();
    if (!large() || sigma.needToProcess || !drawn || now.angle !== drawn.angle) return anew();
    const [corner, other] = [{ x: 0, y: 0 }, { x: 1, y: 1 }].map((point) => [drawn, now].map((cameraState) => sigma.framedGraphToViewport(point, { cameraState })));
    const scale = (other[1].x - corner[1].x) / (other[0].x - corner[0].x);
    const [x, y] = [corner[1].x - scale * corner[0].x, corner[1].y - scale * corner[0].y];
    const { width, height } = sigma.getDimensions();
    const gone = Math.max(Math.abs(x + ((scale - 1) * width) / 2) / width, Math.abs(y + ((scale - 1) * height) / 2) / height);
    if ((scale === 1 && gone === 0) || gone > FAR || scale > GROWN || scale < 1 / GROWN) return anew();
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
