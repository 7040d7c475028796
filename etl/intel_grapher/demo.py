"""The made-up campaign Paper Lantern, in a folder of its own: its replies ship with the program."""

from __future__ import annotations

import shutil
from pathlib import Path

from intel_grapher import settings
from intel_grapher.errors import UsageError

INDICATORS = "indicators.txt"
MARK = "# made by `intel-grapher demo`: a campaign that nobody ran. This folder may be deleted.\n"


def lay_out(folder: Path) -> None:
    """Put the campaign's replies, its list of indicators and a settings file into a folder.

    An earlier campaign there is replaced. Raises UsageError where something else is: nothing of the user's is mixed
    with the campaign.
    """
    samples, listed = sample_data()
    _refuse_other(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / settings.FILE).write_text(MARK + settings.workspace_file(), encoding="utf-8")
    shutil.copyfile(listed, folder / INDICATORS)
    shutil.rmtree(folder / "data" / "raw", ignore_errors=True)
    shutil.copytree(samples, folder / "data" / "raw")


def sample_data() -> tuple[Path, Path]:
    """Return the folder of the samples' replies, and the list of the campaign's indicators.

    In a wheel they lie beside the code; in a checkout, in `data` at its top.
    """
    package = Path(__file__).parent
    shipped, checkout = package / "sample_data", package.parents[1] / "data"
    if shipped.is_dir():
        return shipped / "raw", shipped / INDICATORS
    return checkout / "samples" / "raw", checkout / INDICATORS


def _refuse_other(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} is there and is no folder: name another place")
    file = folder / settings.FILE
    ours = file.is_file() and file.read_text(encoding="utf-8", errors="replace").startswith(MARK)
    if any(folder.iterdir()) and not ours:
        raise UsageError(f"{folder} holds something else, and the campaign wants a folder of its own: name another")
