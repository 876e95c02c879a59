"""What `studio` takes beside the configuration. Imported for every command line: nothing heavy."""

from __future__ import annotations

import argparse

from facerec_core.errors import OptionError
from sweep.export.flags import BEST
from sweep.gallery.flags import add_named

DEFAULT_PORT = 7860


def add_flags(flags: argparse._ArgumentGroup) -> None:
    """Add the flags to a parser."""
    add_named(flags, ("gallery", "model", "threshold", "method", "crop"))


def take_candidate(parsed: argparse.Namespace) -> None:
    """Take `candidate=` out of the overrides: it says which result is meant, not how one is made.

    Raises:
        OptionError: nothing behind it, or `--model` beside it.
    """
    given = [word.partition("=")[2] for word in parsed.overrides if word.startswith("candidate=")]
    parsed.overrides = [word for word in parsed.overrides if not word.startswith("candidate=")]
    if "" in given:
        raise OptionError("candidate", "", "BEST, the beginning of a candidate's key, or an MLflow run id")
    if given and parsed.model:
        raise OptionError("candidate", given[-1], "nothing beside --model, which names the network already")
    parsed.candidate = given[-1] if given else BEST
