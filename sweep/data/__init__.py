"""The actions of `python -m sweep data`, a module each; only the one that was asked for is imported."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from facerec_core.errors import OptionError, UsageError

if TYPE_CHECKING:
    from sweep.compose import Composer
    from sweep.schema import Settings

ACTIONS = {
    "info": ("json",),
    "prepare": ("json",),
    "check": ("json", "out", "allow-shared"),
    "fetch": ("out",),
}
"""The flags each takes; its module, of the same name, has `act(request) -> int`, the exit status."""


@dataclass(frozen=True)
class Request:
    """What was asked of an action.

    `points` are the data and resolutions that were chosen; `names` are the arguments that are no KEY=VALUE.
    """

    points: tuple[Settings, ...]
    names: tuple[str, ...]
    out: str | None
    json: bool
    allow_shared: bool


def run(flags: Namespace, composer: Composer) -> int:
    """Carry out `data ACTION [NAME] [KEY=VALUE...]`.

    Raises:
        UsageError: no such action, a flag it does not take, or whatever the action refuses.
    """
    action, *rest = flags.overrides or [""]
    if action not in ACTIONS:
        raise OptionError("data", action, ", ".join(ACTIONS), "such as `python -m sweep data info`")
    names = tuple(argument for argument in rest if "=" not in argument)
    if names and action != "fetch":
        raise UsageError(f"data {action}: got {names[0]!r}, allowed: KEY=VALUE")
    given = {"json": flags.json, "out": flags.out is not None, "allow-shared": flags.allow_shared}
    for flag, is_given in given.items():
        if is_given and flag not in ACTIONS[action]:
            raise UsageError(f"data {action} takes no --{flag}; leave it out")
    overrides = [argument for argument in rest if "=" in argument]
    several = action == "prepare"
    points = composer.many(overrides) if several else (composer.one(overrides),)
    request = Request(points, names, flags.out, flags.json, flags.allow_shared)
    status: int = import_module(f"sweep.data.{action}").act(request)
    return status
