"""What all commands share: --data, --config and --json, the settings, the terminal."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec

import msgspec
import typer

from caudal.cli.exits import EXPLAINED, Exit
from caudal.cli.terminal import Terminal
from caudal_base.logs import configure
from caudal_base.settings import LogLevel, Settings, load

P = ParamSpec("P")

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="The data directory of the embedded PostgreSQL. "
        "(default: CAUDAL_DATA_DIR, else .caudal in this directory)",
        show_default=False,
        rich_help_panel="Common options",
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Settings as TOML. (default: the file that CAUDAL_CONFIG names)",
        show_default=False,
        rich_help_panel="Common options",
    ),
]
JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object, and nothing else.", rich_help_panel="Common options"),
]


class Call:
    """One run of a command: its settings and its terminal."""

    def __init__(self, *, data: Path | None, config: Path | None, as_json: bool) -> None:
        """Raises `InvalidSettings`."""
        self.settings: Settings = load(file=config)
        self.terminal = Terminal(as_json=as_json)
        self.config = config
        if data is not None:
            self.settings = msgspec.structs.replace(self.settings, data_dir=data)
            if self.settings.database_url is not None:
                self.terminal.note(f"A database_url is set, and it is used: not the server of {data}.")

    def log_quietly(self) -> None:
        """Log what goes wrong, and the rest only to those who asked for `debug`."""
        asked = self.settings.log_level
        level = asked if asked in {LogLevel.DEBUG, LogLevel.ERROR} else LogLevel.WARNING
        configure(level=level, format=self.settings.log_format)


def command(
    app: typer.Typer, name: str | None = None, *, declared_by: Callable[..., Any] | None = None
) -> Callable[[Callable[Concatenate[Call, P], Exit | None]], Callable[..., Exit | None]]:
    """Register a function as a command: it gets the `Call`, then its own options.

    Its docstring is the help; what it returns is the exit code, None for 0. `declared_by` is the function
    that has the docstring and the options, where it is another one.
    """

    def register(function: Callable[Concatenate[Call, P], Exit | None]) -> Callable[..., Exit | None]:
        def wrapper(*, data: Path | None, config: Path | None, as_json: bool, **own: Any) -> Exit | None:
            call = Call(data=data, config=config, as_json=as_json)
            call.log_quietly()
            return function(call, **own)  # type: ignore[call-arg]

        _declare(wrapper, declared_by or function)
        registered: Callable[..., Exit | None] = app.command(name)(wrapper)
        return registered

    return register


def _declare(wrapper: Any, function: Callable[..., Any]) -> None:
    """Give `wrapper` the help and options of `function`, less its first parameter, and the common ones."""
    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    common = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, default, annotation in (
            ("data", None, DataOption),
            ("config", None, ConfigOption),
            ("as_json", False, JsonOption),
        )
    ]
    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own] + common
    wrapper.__name__ = function.__name__
    wrapper.__doc__ = function.__doc__
    wrapper.__signature__ = inspect.Signature(parameters)
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}


def group(summary: str) -> typer.Typer:
    """A noun, to which its verbs are registered."""
    return typer.Typer(
        help=summary,
        no_args_is_help=True,
        add_completion=False,
        epilog=EXPLAINED,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def single() -> typer.Typer:
    """A command without verbs."""
    return typer.Typer(
        add_completion=False, epilog=EXPLAINED, context_settings={"help_option_names": ["-h", "--help"]}
    )
