"""Few descriptors, a locale that is not UTF-8, and very many warnings: all commands do their work, or say why not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import Desk
from places import SAMPLES

from intel_grapher.cli.cache_add import MAX_WARNINGS, Warnings

CHAIN = """
import json, os, resource, sys
from intel_grapher import cli
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
for words in json.loads(sys.argv[1]):
    sys.argv[1:] = words
    try:
        cli.main()
    except SystemExit as ended:
        assert not ended.code, (words, ended.code)
assert len(os.listdir("/proc/self/fd")) < 32
"""


def test_64_descriptors_are_enough_for_every_command(desk: Desk) -> None:
    lines = [
        ["cache", "add", str(SAMPLES)],
        ["cache", "verify"],
        ["cache", "compact"],
        ["fetch", "example.com", "--source", "threatcrowd"],
        ["transform"],
        ["load"],
        ["show", "example.com"],
        ["query", "MATCH (n) RETURN count(n)"],
        ["doctor"],
    ]
    ran = subprocess.run(
        [sys.executable, "-c", CHAIN, str(lines).replace("'", '"')],
        cwd=desk.folder, env=desk.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "Domain example.com" in ran.stdout


@pytest.mark.parametrize("name", [b"\xc3\xbc", b"\xff"])
def test_a_locale_that_is_not_utf_8_names_the_same_files(desk: Desk, name: bytes) -> None:
    folder = os.fsencode(desk.folder) + b"/" + name
    Path(os.fsdecode(folder)).mkdir()
    odd = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [os.fsencode(sys.executable), b"-m", b"intel_grapher"]

    def run(*words: bytes) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*command, *words], env=desk.environment | odd, capture_output=True, check=False)

    data = folder + b"/data"
    ran = run(b"cache", b"add", os.fsencode(SAMPLES / "threatcrowd"), b"--data", data, b"--source", b"threatcrowd")
    assert ran.returncode == 0, ran.stderr
    assert Path(os.fsdecode(data), "raw", "threatcrowd").is_dir()
    ran = run(b"show", b"example.com", b"--db", folder + b"/graph", b"--data", data)
    assert ran.returncode == (1 if name == b"\xc3\xbc" else 2)
    told = b"there is no graph at" if name == b"\xc3\xbc" else b"is not UTF-8, and the engines take no other path"
    assert told in ran.stderr


def test_of_very_many_warnings_the_first_are_kept_and_all_are_counted() -> None:
    warnings = Warnings()
    for number in [*range(1000), *range(MAX_WARNINGS)]:
        warnings.add(f"{number}")
    assert list(warnings.texts) == [f"{number}" for number in range(MAX_WARNINGS)]
    assert warnings.more == 1000 - MAX_WARNINGS
