"""What `compare` takes beside the configuration. Imported for every command line: nothing heavy."""

from __future__ import annotations

import argparse
import math

from facerec_core.errors import OptionError

SCHEMES = ("qat_int8", "ptq_int8", "float32")


def add_flags(flags: argparse._ArgumentGroup) -> None:
    """Add the flags to a parser."""
    flags.add_argument(
        "--max-drop", type=_drop, default=0.0, metavar="RATE", help="drop of the metric that is put up with, 0-1"
    )
    flags.add_argument("--variant", type=_scheme, metavar="SCHEME", help=", ".join(SCHEMES) + "; default: better int8")
    flags.add_argument(
        "--split", type=_split, default="validation", metavar="SPLIT", help="validation (default) or test"
    )
    flags.add_argument(
        "--allow-unpaired", action="store_true", help="judge by the plain difference where the pairs are not the same"
    )
    flags.add_argument("--json", action="store_true", help="one object instead of the table")


def take_sides(parsed: argparse.Namespace) -> None:
    """Take what is compared out of the overrides: the words that are neither KEY=VALUE nor ~KEY."""
    words = parsed.overrides
    parsed.overrides = [word for word in words if _is_override(word)]
    parsed.sides = [word for word in words if not _is_override(word)]


def _is_override(word: str) -> bool:
    return "=" in word or word.startswith("~")


def _drop(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if 0 <= value <= 1:
        return value
    raise OptionError("--max-drop", text, "0 to 1, such as 0.01 for one percentage point")


def _scheme(text: str) -> str:
    if text in SCHEMES:
        return text
    raise OptionError("--variant", text, ", ".join(SCHEMES))


def _split(text: str) -> str:
    if text in ("validation", "test"):
        return text
    raise OptionError("--split", text, "validation, test")
