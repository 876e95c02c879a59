"""The verbs `enroll`, `identify`, `verify` and `gallery`: people in a database of fingerprints.

Each action is a module; only the one that was asked for is imported.
"""

from __future__ import annotations

import re
from argparse import Namespace
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from facerec_core.errors import OptionError, UsageError

if TYPE_CHECKING:
    from sweep.compose import Composer
    from sweep.schema import Settings

ACTIONS = {
    "list": "listing",
    "info": "info",
    "remove": "remove",
    "export": "export",
}
"""The actions of `gallery` and their modules, which have `act(request) -> int`, the exit status."""

_TAKES = {"list": (), "info": (), "remove": ("name",), "export": ("out",)}
OVERRIDE = re.compile(r"[+~]{0,2}[A-Za-z_][\w.@]*=")
"""An image whose name looks like KEY=VALUE is written with its folder, `./a=b.jpg`."""


@dataclass(frozen=True)
class Request:
    """What was asked of an action: the configuration, the keys that were set, the images, and the flags."""

    settings: Settings
    asked: tuple[str, ...]
    images: tuple[str, ...]
    flags: Namespace

    @property
    def gallery(self) -> Path:
        """The file of `--gallery`."""
        return Path(self.text("gallery", "an .fpdb file")).expanduser()

    def text(self, flag: str, allowed: str) -> str:
        """The value of a flag that has to be there.

        Raises:
            UsageError: it is not.
        """
        value: str | None = getattr(self.flags, flag)
        if not value:
            raise UsageError(f"--{flag} is missing, allowed: {allowed}")
        return value


def run(verb: str, flags: Namespace, composer: Composer) -> int:
    """Carry out `enroll`, `identify`, `verify` or `gallery ACTION`.

    Raises:
        UsageError: no such action, a flag it does not take, or whatever the action refuses.
    """
    arguments = list(flags.overrides)
    module = verb
    if verb == "gallery":
        action = arguments.pop(0) if arguments else ""
        if action not in ACTIONS:
            raise OptionError("gallery", action, ", ".join(ACTIONS), "such as `gallery list --gallery people.fpdb`")
        _refuse_flags(action, flags)
        module = ACTIONS[action]
    overrides = [argument for argument in arguments if OVERRIDE.match(argument)]
    images = tuple(argument for argument in arguments if not OVERRIDE.match(argument))
    if verb == "gallery" and images:
        raise UsageError(f"gallery {action}: got {images[0]!r}, allowed: flags and KEY=VALUE")
    keys = tuple(line.lstrip("+~").partition("=")[0] for line in overrides)
    request = Request(composer.one(overrides), keys, images, flags)
    status: int = import_module(f"sweep.gallery.{module}").act(request)
    return status


def _refuse_flags(action: str, flags: Namespace) -> None:
    for flag in ("name", "out"):
        if getattr(flags, flag) is not None and flag not in _TAKES[action]:
            raise UsageError(f"gallery {action} takes no --{flag}; leave it out")
