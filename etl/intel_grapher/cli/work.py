"""`run`: fetch, transform and load, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import typer

from intel_grapher.cli import options, targets
from intel_grapher.cli.fetching import (
    DomainOption,
    EmailOption,
    FileOption,
    HashOption,
    IndicatorsArgument,
    IpOption,
    SkipBad,
    SourceOption,
    UserOption,
    fetch,
)
from intel_grapher.cli.loading import load_
from intel_grapher.cli.transforming import transform_


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(
    indicators: IndicatorsArgument = None,
    domain: DomainOption = None,
    email: EmailOption = None,
    hash_: HashOption = None,
    ip: IpOption = None,
    user: UserOption = None,
    file: FileOption = None,
    source: SourceOption = None,
    data: options.Data = options.DATA,
    import_: options.Import = options.IMPORT,
    db: options.Db = options.DB,
    to: targets.To = "embedded",
    *,
    skip_bad: SkipBad = False,
) -> None:
    """Fetch, transform and load, one after the other."""
    steps: list[Callable[[], None]] = [
        partial(fetch, indicators, domain, email, hash_, ip, user, file, source, data=data, skip_bad=skip_bad),
        partial(transform_, data, import_),
        partial(load_, import_, db, data, to),
    ]
    code = 0
    for step in steps:
        try:
            step()
        except typer.Exit as ended:
            if ended.exit_code != options.PART:
                raise
            code = options.PART
    raise typer.Exit(code)
