"""A picture of what `load.py` measured: a panel for each size, a bar of rows a second for each way."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

WIDTH, LABEL, BAR, GAP = 760, 190, 20, 34
OURS, OTHERS = "#1f6feb", "#9aa4b2"


def draw(path: Path, rates: Mapping[str, Mapping[str, float]]) -> None:
    """Write an SVG of rows a second: of each size's title, of each way."""
    parts, top = [], 0
    for title, ways in rates.items():
        most = max(ways.values(), default=1)
        parts.append(f'<text x="8" y="{top + 22}" font-weight="bold">{escape(title)}: rows a second</text>')
        top += GAP
        for way, rate in sorted(ways.items(), key=lambda each: -each[1]):
            long = max(1, (WIDTH - LABEL - 110) * rate / most)
            colour = OURS if way.startswith("ours") else OTHERS
            parts.append(
                f'<text x="{LABEL - 8}" y="{top + 14}" text-anchor="end">{escape(way)}</text>'
                f'<rect x="{LABEL}" y="{top}" width="{long:.1f}" height="{BAR - 3}" fill="{colour}"/>'
                f'<text x="{LABEL + long + 6:.1f}" y="{top + 14}">{rate:,.0f}</text>'
            )
            top += BAR
        top += GAP // 2
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" font-family="sans-serif" '
        f'font-size="13"><rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n',
        encoding="utf-8",
    )
