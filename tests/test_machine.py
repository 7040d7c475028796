"""What this machine has: in a container its limit, else all."""

from __future__ import annotations

from pathlib import Path

import pytest

from intel_grapher import machine


@pytest.mark.parametrize(("limit", "is_less"), [("1073741824\n", True), ("max\n", False), (f"{1 << 60}\n", False)])
def test_the_limit_of_a_container_is_its_memory(
    limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_less: bool
) -> None:
    monkeypatch.setattr(machine, "_LIMIT", tmp_path / "memory.max")
    whole = machine.memory()
    (tmp_path / "memory.max").write_text(limit)
    assert machine.memory() == (1 << 30 if is_less else whole)
    assert machine.quarter_of_memory() == machine.memory() // 4
