"""intel-grapher: indicators of compromise in, one deduplicated graph out.

In Python, `import intel_grapher as ig` gives the names of `intel_grapher.api`, such as `ig.Workspace`; its docstring
says what of them is stable. They are imported at their first use, because that loads the databases.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from intel_grapher.api import (
        Answer,
        Asking,
        BusyError,
        ByGroup,
        Card,
        GrapherError,
        GraphTables,
        Judgement,
        KeyMissingError,
        KnownNode,
        Loaded,
        Manifest,
        Neighbour,
        NodeRef,
        NotFoundError,
        NothingYetError,
        Paths,
        PipelineResult,
        Plan,
        Ranking,
        Step,
        Summary,
        TextReading,
        Tie,
        UsageError,
        Workspace,
        read,
    )

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "Asking",
    "BusyError",
    "ByGroup",
    "Card",
    "GraphTables",
    "GrapherError",
    "Judgement",
    "KeyMissingError",
    "KnownNode",
    "Loaded",
    "Manifest",
    "Neighbour",
    "NodeRef",
    "NotFoundError",
    "NothingYetError",
    "Paths",
    "PipelineResult",
    "Plan",
    "Ranking",
    "Step",
    "Summary",
    "TextReading",
    "Tie",
    "UsageError",
    "Workspace",
    "read",
]


if not TYPE_CHECKING:  # else a type checker would take any name for one of ours

    def __getattr__(name: str) -> Any:  # noqa: ANN401 - a name of the API
        if name in __all__:
            from importlib import import_module  # noqa: PLC0415 - see above

            return getattr(import_module(f"{__name__}.api"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
