"""Makes README's moving picture of the page, on the sample campaign: docs/page.gif.

Frames are screenshots; ffmpeg (Debian's) puts them together with one palette. Look at it before it is committed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "support"))
from campaign import campaign  # noqa: E402 - what the tests use
from ui_site import idle, opened, serving  # noqa: E402 - likewise

ARGUMENTS = ["--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox"]
WIDE, HIGH = 1120, 680
RATE = 10  # frames a second
LARGEST = 1_500_000  # bytes
PALETTE = (
    "[0:v]split[a][b];[a]palettegen=max_colors=96:stats_mode=diff[p];[b][p]paletteuse=dither=none:diff_mode=rectangle"
)


class Film:
    """Frames of a page, and what a person does between them."""

    def __init__(self, page: Page, folder: Path) -> None:
        self._page = page
        self._folder = folder
        self._count = 0

    def hold(self, seconds: float) -> None:
        """Take one frame that stays for some seconds."""
        self._frame()
        last = self._folder / f"{self._count - 1:04}.png"
        for _ in range(round(seconds * RATE) - 1):
            shutil.copy(last, self._folder / f"{self._count:04}.png")
            self._count += 1

    def moving(self, seconds: float) -> None:
        """Take frames while something moves by itself."""
        for _ in range(round(seconds * RATE)):
            self._frame()
            self._page.wait_for_timeout(1000 / RATE / 2)

    def typing(self, text: str) -> None:
        """Type a text into the field that finds, two characters a frame."""
        self._page.click("#find")
        for at in range(0, len(text), 2):
            self._page.keyboard.type(text[at : at + 2])
            self._frame()

    def dragging(self, begin: tuple[float, float], end: tuple[float, float], steps: int = 10) -> None:
        """Drag the mouse, a frame a step."""
        mouse = self._page.mouse
        mouse.move(*begin)
        mouse.down()
        for step in range(1, steps + 1):
            mouse.move(*(a + (b - a) * step / steps for a, b in zip(begin, end, strict=True)))
            self._frame()
        mouse.up()

    def _frame(self) -> None:
        self._page.screenshot(path=self._folder / f"{self._count:04}.png")
        self._count += 1


def find_and_grow(page: Page, film: Film) -> None:
    """Find a domain, and expand it."""
    page.keyboard.press("t")  # the table makes room for the picture
    film.hold(1.2)
    film.typing("invoice-portal")
    page.locator("#found [role=option]", has_text="invoice-portal.example").first.wait_for()
    film.hold(0.8)
    page.keyboard.press("Enter")
    page.locator("#selected").wait_for()
    idle(page)
    film.hold(0.8)
    page.keyboard.press("e")
    film.moving(2.2)
    idle(page)
    page.keyboard.press("f")
    film.moving(0.6)
    film.hold(1.2)


def path_between(page: Page, film: Film) -> None:
    """Ask for the paths to a file's address."""
    page.evaluate("app.actions.bring([{ label: 'IPAddress', key: '198.51.100.23' }], { select: false })")
    page.wait_for_function("() => app.model.graph.hasNode('IPAddress:198.51.100.23')")
    idle(page)
    page.evaluate("app.model.selectAll(['Email:billing@invoice-portal.example', 'IPAddress:198.51.100.23'])")
    film.hold(0.8)
    page.locator("#picture").press("b")
    page.locator("#lit").wait_for()
    page.evaluate("document.querySelectorAll('.toast').forEach(each => each.remove())")
    film.moving(0.8)
    film.hold(2.2)
    page.locator("#picture").press("Escape")


def fold_and_brush(page: Page, film: Film) -> None:
    """Expand a domain, fold what is around it, and choose a part of the time."""
    page.evaluate("app.model.select('Domain:example.com')")
    page.locator("#picture").press("e")
    film.moving(1.8)
    idle(page)
    page.locator("#picture").press("f")
    film.moving(0.5)
    film.hold(0.8)
    page.locator("#picture").press("o")
    film.moving(0.5)
    page.locator("#picture").press("l")
    film.moving(1.6)
    idle(page)
    page.evaluate("app.model.select(null)")
    film.hold(1.5)
    left, top, wide = page.evaluate(
        "(({ left, top, width }) => [left, top, width])(document.querySelector('#time .track').getBoundingClientRect())"
    )
    y = top + 10
    film.dragging((left + 0.45 * wide, y), (left + 0.75 * wide, y))
    film.hold(0.6)
    film.dragging((left + 0.6 * wide, y), (left + 0.85 * wide, y))
    film.hold(1.8)


def main() -> None:
    """Serve the samples, act, and put the frames together."""
    chromium = shutil.which("chromium") or sys.exit("chromium is needed: apt-get install chromium")
    ffmpeg = shutil.which("ffmpeg") or sys.exit("ffmpeg is needed: apt-get install ffmpeg")
    out = HERE / "page.gif"
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(campaign(Path(folder))) as site,
        sync_playwright() as playwright,
    ):
        frames = Path(folder) / "frames"
        frames.mkdir()
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        with opened(browser, site.link, width=WIDE, height=HIGH, motion=True) as page:
            page.evaluate("document.documentElement.dataset.theme = 'light'")
            page.wait_for_selector("#empty[data-whole]")
            film = Film(page, frames)
            for scene in (find_and_grow, path_between, fold_and_brush):
                scene(page, film)
        browser.close()
        made = [ffmpeg, "-y", "-loglevel", "error", "-framerate", str(RATE), "-i", str(frames / "%04d.png")]
        subprocess.run([*made, "-filter_complex", PALETTE, "-loop", "0", str(out)], check=True)  # noqa: S603 - our own
    size = out.stat().st_size
    if size > LARGEST:
        sys.exit(f"{out} has {size:,} bytes; more than {LARGEST:,} keep README from loading quickly")
    sys.stdout.write(f"{out}: {size:,} bytes\n")


if __name__ == "__main__":
    main()
