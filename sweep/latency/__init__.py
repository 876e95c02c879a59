"""The actions of `python -m sweep latency`, a module each; only the one that was asked for is imported."""

from __future__ import annotations

import os
from argparse import Namespace
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal

from facerec_core.errors import OptionError, UsageError

if TYPE_CHECKING:
    from sweep.compose import Composer
    from sweep.schema import Settings

ACTIONS = {
    "show": "sweep.latency.show",
    "fit": "sweep.latency.fit",
    "measure": "sweep.latency.measure",
    "bench": "sweep.latency.bench",
    "import": "sweep.latency.importing",
    "simulate": "sweep.latency.simulate",
}
"""Each module has `act(request) -> int`, the exit status."""


@dataclass(frozen=True)
class Request:
    """What was asked of an action.

    `points` are the networks that were named, the whole default grid where none was; `files` are the arguments
    that are no KEY=VALUE. `board` is the name given with `--board`.
    """

    points: tuple[Settings, ...]
    files: tuple[str, ...]
    board: str | None
    out: str | None
    runs: int | None
    form: Literal["table", "json", "csv"]


def run(flags: Namespace, composer: Composer) -> int:
    """Carry out `latency ACTION [FILE...] [KEY=VALUE...]`; KEY=VALUE that is the name of a file is that file.

    Raises:
        UsageError: no such action, or whatever the action refuses.
    """
    action, *rest = flags.overrides or [""]
    if action not in ACTIONS:
        raise OptionError("latency", action, ", ".join(ACTIONS), "such as `python -m sweep latency show`")
    files = tuple(argument for argument in rest if "=" not in argument or os.path.isfile(argument))  # noqa: PTH113
    overrides = [argument for argument in rest if argument not in files]
    if flags.board is not None and action != "import":
        if any(line.lstrip("+").startswith("board=") for line in overrides):
            raise UsageError("a board was given twice, as --board and as board=; leave one of them out")
        overrides.append(f"board={flags.board}")
    request = Request(
        points=composer.many(overrides, default_grid=True),
        files=files,
        board=flags.board,
        out=flags.out,
        runs=flags.runs,
        form="json" if flags.json else "csv" if flags.csv else "table",
    )
    status: int = import_module(ACTIONS[action]).act(request)
    return status
