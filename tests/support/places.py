"""Folders that the tests read: the project's, its samples', and the real replies beside the project."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SAMPLE_DATA: Final = ROOT / "data" / "samples"
SAMPLES: Final = SAMPLE_DATA / "raw"
INDICATORS: Final = ROOT / "data" / "indicators.txt"
FIXTURES: Final = ROOT.parent / "shared" / "fixtures"
