"""`config`: the settings, and where each comes from."""

from __future__ import annotations

from pathlib import Path

import typer

from intel_grapher import credentials, settings
from intel_grapher.cli import options
from intel_grapher.cli.output import is_terminal, print_json, print_table, say
from intel_grapher.registry import Registry

MASKED = "…"

app = typer.Typer(
    name="config", no_args_is_help=True, add_completion=False, help="The settings, and where each comes from."
)


@app.callback()
def config() -> None:
    """Group the commands."""


@app.command()
def show(context: typer.Context, *, json: options.Json = False) -> None:
    """Print each setting, its value, and where that comes from.

    A flag wins over the environment, that over the workspace's intel-grapher.toml, that over your own file, and that
    over the default. Keys are masked.
    """
    folder = Path.cwd()
    rows = [
        {"setting": it.setting.name, "value": it.value, "from": it.origin, "variable": it.setting.variable,
         "flag": it.setting.flag}
        for it in settings.resolve(folder, context.obj)
    ]  # fmt: skip
    for name in _secrets():
        secret = credentials.find(name)
        rows.append(
            {"setting": name, "value": MASKED if secret.value else "", "from": secret.origin or "not set",
             "variable": name, "flag": ""}
        )  # fmt: skip
    looked_at = [credentials.config_folder() / settings.USER_FILE, credentials.user_file()]
    if root := settings.workspace(folder):
        looked_at = [root / settings.FILE, root / credentials.FILE, *looked_at]
    if json:
        files = [{"path": str(path), "there": path.exists()} for path in looked_at]
        print_json({"settings": rows, "files": files})
        return
    if is_terminal():  # where the names of variables and flags would take the room of values: README has them
        names = {str(path): path.name for path in looked_at}
        shown = [(row["setting"], row["value"], names.get(str(row["from"]), row["from"])) for row in rows]
        print_table(("setting", "value", "from"), shown)
    else:
        print_table(("setting", "value", "from", "variable", "flag"), [tuple(row.values()) for row in rows])
    for path in looked_at:
        say(f"looked at {path}: {'there' if path.exists() else 'not there'}")


def _secrets() -> list[str]:
    """Return the names of all secrets, each once."""
    keys = [source.key.variable for source in Registry.installed().values() if source.key and not source.retired]
    return list(dict.fromkeys([*sorted(keys), *settings.SECRETS]))
