"""The pytest plugin: takes the sources and their samples, and runs each contract test once for each endpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # at run time only if a contract test is collected: pytest loads this plugin everywhere
    from intel_grapher.source import Endpoint
    from intel_grapher.testing.samples import Samples

SUITE = "intel_grapher.testing."


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and settings of the contract suite."""
    group = parser.getgroup("intel-grapher", "contract tests of intel-grapher's sources")
    group.addoption(
        "--contract-source", action="append", default=[], metavar="NAME", help="test this source; may be repeated"
    )
    group.addoption("--contract-samples", metavar="DIR", help="data folder with the sources' sample replies")
    parser.addini("contract_sources", "sources to test with the contract suite", type="args", default=[])
    parser.addini("contract_samples", "data folder with the sources' sample replies", default="samples")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker by which a contract test says which endpoints it is for."""
    config.addinivalue_line("markers", "endpoints(predicate): the endpoints that a contract test is for")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a contract test once for each endpoint of the chosen sources that its marker admits."""
    if "endpoint" not in metafunc.fixturenames or not metafunc.module.__name__.startswith(SUITE):
        return
    marker = metafunc.definition.get_closest_marker("endpoints")
    admits: Callable[[Endpoint], bool] = marker.args[0] if marker else lambda _endpoint: True
    endpoints = [endpoint for endpoint in _endpoints(metafunc.config) if admits(endpoint)]
    names = [f"{endpoint.source.name}/{endpoint.name}" for endpoint in endpoints]
    metafunc.parametrize("endpoint", endpoints, ids=names)


def _endpoints(config: pytest.Config) -> list[Endpoint]:
    from intel_grapher.registry import Registry  # noqa: PLC0415 - see above

    registry = Registry.installed()
    names = config.getoption("--contract-source") or config.getini("contract_sources") or list(registry)
    return [endpoint for name in names for endpoint in registry.named(name).endpoints.values()]


@pytest.fixture(scope="session")
def samples(request: pytest.FixtureRequest) -> Samples:
    """Return the sample replies of the chosen data folder."""
    from intel_grapher.testing.samples import Samples  # noqa: PLC0415 - see above

    folder = request.config.getoption("--contract-samples") or request.config.getini("contract_samples")
    return Samples((request.config.rootpath / folder).resolve() if not Path(folder).is_absolute() else Path(folder))
