"""The options that several commands share, each said once.

`takes` gives a command the options of some groups and hands it the settings made of them. An
option that is not given falls to the environment (`COGNITION_*`), then to the default in
`transforms.settings`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from transforms.cli.outcome import Outcome

if TYPE_CHECKING:
    from transforms.settings import Settings, SourceSettings

Command = Callable[..., Outcome]


@dataclass(frozen=True)
class Call:
    """What a command was called with.

    Attributes:
        places: Settings of lake and warehouse given on the command line.
        service: Settings of the source given on the command line.
        as_json: Whether stdout gets one JSON document.
        strict: Whether an imperfect outcome makes the exit code 1.
        verbose: Whether stderr gets what is logged as INFO.
    """

    places: Mapping[str, Any]
    service: Mapping[str, Any]
    as_json: bool
    strict: bool
    verbose: bool

    @property
    def settings(self) -> Settings:
        """Returns where lake and warehouse lie.

        Raises:
            pydantic.ValidationError: An option or variable has an impossible value.
        """
        from transforms.settings import Settings  # noqa: PLC0415 - --help needs no settings

        return Settings(**self.places)

    @property
    def source(self) -> SourceSettings:
        """Returns how to reach the service.

        Raises:
            pydantic.ValidationError: An option or variable has an impossible value.
        """
        from transforms.settings import SourceSettings  # noqa: PLC0415 - as above

        return SourceSettings(**self.service)


@dataclass(frozen=True)
class Shared:
    """An option that sets a setting of the same name."""

    setting: str
    flag: str
    kind: type
    help: str

    def to_parameter(self, panel: str) -> inspect.Parameter:
        """Returns the keyword parameter Typer reads the option from."""
        flag = f"{self.flag}/--no-{self.flag[2:]}" if self.kind is bool else self.flag
        text = f"{self.help} (COGNITION_{self.setting.upper()})"
        option = typer.Option(flag, help=text, rich_help_panel=panel, show_default=False)
        return _keyword(self.setting, Annotated[self.kind | None, option], None)


PLACES = (
    Shared("home", "--home", Path, "Folder of lake and warehouse; ./cognition-home."),
    Shared("lake", "--lake", str, "Lake root, a folder or s3:// URI; HOME/lake."),
    Shared("warehouse", "--warehouse", Path, "Folder of the DuckDB files; HOME/warehouse."),
)
SOURCE = (
    Shared("region", "--region", str, "Region of the jobs; cn-shanghai."),
    Shared("endpoint", "--endpoint", str, "Host in place of the region's own."),
    Shared("protocol", "--protocol", str, "https or http; https."),
    Shared("queries_per_second", "--rate", float, "Queries a second; 20."),
    Shared("concurrency", "--concurrency", int, "Queries under way at once; 8."),
    Shared("max_attempts", "--max-attempts", int, "Calls per job, then it stays pending; 5."),
    Shared("read_timeout_seconds", "--read-timeout", float, "Seconds to wait for a reply; 60."),
    Shared("need_asr", "--asr", bool, "Ask for speech; yes."),
    Shared("need_ocr", "--ocr", bool, "Ask for text on screen; yes."),
    Shared("need_process", "--process", bool, "Ask for the URL of raw algorithm output; yes."),
)
_VERBOSE = Annotated[bool, typer.Option("--verbose", "-v", help="Log more to stderr.")]
_JSON = Annotated[bool, typer.Option("--json", help="Write one JSON document to stdout.")]
JOBS = "Exit with 1 if jobs were quarantined, rejected, expired, not answered."
"""What `--strict` does where jobs are asked for, landed or flattened."""


def takes(*, source: bool = False, strict: str = "") -> Callable[[Command], Command]:
    """Returns a decorator that adds the shared options to a command.

    The command's first parameter gets the `Call`; the others stay arguments and options of its
    own.

    Args:
        source: Add the options of the source; keys are read from the environment alone.
        strict: Add `--strict`, with this for its help.
    """
    shared = [option.to_parameter("Places") for option in PLACES]
    shared += [option.to_parameter("Source") for option in SOURCE] if source else []
    flag = Annotated[bool, typer.Option("--strict", help=strict)]
    shared += [_keyword("strict", flag, default=False)] if strict else []
    shared += [_keyword("json", _JSON, default=False), _keyword("verbose", _VERBOSE, default=False)]

    def decorate(command: Command) -> Command:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]

        def called(**values: Any) -> Outcome:  # noqa: ANN401 - whatever Typer parsed
            call = Call(
                places=_given(PLACES, values),
                service=_given(SOURCE, values),
                as_json=values["json"],
                strict=values.get("strict", False),
                verbose=values["verbose"],
            )
            return command(call, **{p.name: values[p.name] for p in own})

        parameters = [*own, *shared]
        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {p.name: p.annotation for p in parameters}
        called.__name__, called.__doc__ = command.__name__, command.__doc__
        return called

    return decorate


def options_given(words: Sequence[str]) -> dict[str, str]:
    """Returns option by setting, for the shared options a command line contains."""
    flags = {word.partition("=")[0] for word in words}
    return {o.setting: o.flag for o in (*PLACES, *SOURCE) if o.flag in flags}


def _given(options: Sequence[Shared], values: Mapping[str, Any]) -> dict[str, Any]:
    found = {option.setting: values.get(option.setting) for option in options}
    return {setting: value for setting, value in found.items() if value is not None}


def _keyword(name: str, annotation: Any, default: bool | None) -> inspect.Parameter:  # noqa: ANN401, FBT001 - a default is a value, not a switch
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)
