"""The verb `export`: a variant of a sweep as a folder that firmware is built from, checked before it is handed over."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from facerec_core.errors import OptionError
from sweep.gallery import OVERRIDE

if TYPE_CHECKING:
    from sweep.compose import Composer
    from sweep.schema import Settings


@dataclass(frozen=True)
class Request:
    """What was asked: the configuration, the candidate and variant, the folder, images for golden vectors, the flags.

    `command` is what was typed.
    """

    settings: Settings
    candidate: str
    variant: str | None
    out: Path
    images: tuple[str, ...]
    flags: Namespace
    command: str


def run(flags: Namespace, composer: Composer, command: str) -> int:
    """Carry out `export`.

    Raises:
        UsageError: no folder was named, or whatever the export refuses.
        QuantizationError: the network cannot be exported, or a check failed.
    """
    if not flags.out:
        raise OptionError("--out", None, "a folder that is new or empty", "such as --out firmware")
    overrides = [argument for argument in flags.overrides if OVERRIDE.match(argument)]
    images = tuple(argument for argument in flags.overrides if not OVERRIDE.match(argument))
    request = Request(
        settings=composer.one(overrides),
        candidate=flags.candidate,
        variant=flags.variant,
        out=Path(flags.out).expanduser(),
        images=images,
        flags=flags,
        command=command,
    )
    status: int = import_module("sweep.export.act").act(request)
    return status
