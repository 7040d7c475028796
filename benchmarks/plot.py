"""Pictures of a benchmark's figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt


def growth(path: Path, title: str, panels: Mapping[str, Mapping[str, Mapping[int, float]]], sizes: str) -> None:
    """Draw one panel for each measure: a line for each way, its figures over the sizes, both axes logarithmic."""
    picture, axes = plt.subplots(1, len(panels), figsize=(6 * len(panels), 4.5), squeeze=False)
    for axis, (measure, ways) in zip(axes[0], panels.items(), strict=True):
        for way, figures in ways.items():
            style = {"linewidth": 2.5, "color": "black"} if way.startswith("transform") else {"linewidth": 1.2}
            axis.plot(list(figures), list(figures.values()), marker="o", label=way, **style)
        axis.set(xscale="log", yscale="log", xlabel=sizes, ylabel=measure)
        axis.grid(visible=True, which="both", alpha=0.25)
    axes[0][0].legend(fontsize="small")
    picture.suptitle(title)
    picture.savefig(path, bbox_inches="tight", metadata={"Date": None})
    plt.close(picture)
