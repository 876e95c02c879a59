"""The verbs of galleries, their flags, and what each of them takes. Imported for every command line: nothing heavy."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable

from facerec_core.errors import OptionError

FLAGS = {
    "enroll": ("gallery", "model", "name", "threshold", "method", "crop", "landmarks", "json"),
    "identify": ("gallery", "model", "threshold", "method", "crop", "landmarks", "json"),
    "verify": ("model", "threshold", "crop", "landmarks", "json"),
    "gallery": ("gallery", "name", "out", "json"),
}


def add_flags(flags: argparse._ArgumentGroup, verb: str) -> None:
    """Add the flags of one of the verbs to a parser."""
    add_named(flags, FLAGS[verb])


def add_named(flags: argparse._ArgumentGroup, names: Iterable[str]) -> None:
    """Add flags by their names."""
    for name in names:
        _ADD[name](flags)


_ADD = {
    "gallery": lambda flags: flags.add_argument("--gallery", metavar="FILE", help="the .fpdb of enrolled people"),
    "model": lambda flags: flags.add_argument(
        "--model", metavar="MODEL", help="MLflow run id of a variant, folder of a stage or export, or a .tflite"
    ),
    "name": lambda flags: flags.add_argument("--name", metavar="NAME", help="of the person to enrol or remove"),
    "threshold": lambda flags: flags.add_argument(
        "--threshold", type=_cosine, metavar="COSINE", help="least score accepted; default: the variant's own"
    ),
    "method": lambda flags: flags.add_argument(
        "--method", choices=("best", "mean"), help="a person's score: best fingerprint (default), or mean of all"
    ),
    "crop": lambda flags: flags.add_argument(
        "--crop", type=_share, metavar="SHARE", help="central part of the images, as data.crop"
    ),
    "landmarks": lambda flags: flags.add_argument(
        "--landmarks", metavar="FILE", help="five points an image to align by, as data.landmarks"
    ),
    "out": lambda flags: flags.add_argument("--out", metavar="FOLDER", help="export: a folder that does not exist yet"),
    "json": lambda flags: flags.add_argument("--json", action="store_true", help="one object instead of text"),
}


def _cosine(text: str) -> float:
    return _number("--threshold", text, -1.0, "a cosine, -1 to 1")


def _share(text: str) -> float:
    return _number("--crop", text, 0.1, "0.1 to 1")


def _number(flag: str, text: str, low: float, allowed: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise OptionError(flag, text, allowed) from None
    if not (math.isfinite(value) and low <= value <= 1.0):
        raise OptionError(flag, text, allowed)
    return value
