"""What `export` takes beside the configuration. Imported for every command line: nothing heavy."""

from __future__ import annotations

import argparse

from facerec_core.errors import OptionError

BEST = "BEST"
SCHEMES = ("qat_int8", "ptq_int8")
MOST_IMAGES = 100_000


def add_flags(flags: argparse._ArgumentGroup) -> None:
    """Add the flags to a parser."""
    flags.add_argument("--out", metavar="DIR", help="the folder to write, new or empty")
    flags.add_argument("--force", action="store_true", help="replace DIR and everything in it")
    flags.add_argument("--allow-over-limit", action="store_true", help="export although a limit is not kept")
    flags.add_argument(
        "--allow-unverified", action="store_true", help="export where there is no TensorFlow Lite Micro to check by"
    )
    flags.add_argument(
        "--verify-images",
        type=_images,
        metavar="N",
        help="validation images to judge through TensorFlow Lite Micro, 0: none; default: up to 300, by the network",
    )
    flags.add_argument("--ethos-u", metavar="CONFIG", help="also compile for an NPU with Vela, such as ethos-u55-128")


def take_selectors(parsed: argparse.Namespace) -> None:
    """Take `candidate=` and `variant=` out of the overrides: they say which result is meant, not how one is made.

    Raises:
        OptionError: a scheme that is not exported, or nothing behind `candidate=`.
    """
    chosen = {"candidate": BEST, "variant": ""}
    kept = []
    for word in parsed.overrides:
        key, equals, value = word.partition("=")
        if equals and key in chosen:
            chosen[key] = value
        else:
            kept.append(word)
    if not chosen["candidate"]:
        raise OptionError("candidate", "", "BEST, the beginning of a candidate's key, or an MLflow run id")
    if chosen["variant"] not in ("", *SCHEMES):
        hint = "a microcontroller's kernels are int8"
        raise OptionError("variant", chosen["variant"], ", ".join(SCHEMES), hint)
    parsed.overrides = kept
    parsed.candidate, parsed.variant = chosen["candidate"], chosen["variant"] or None


def _images(text: str) -> int:
    if text.isdecimal() and int(text) <= MOST_IMAGES:
        return int(text)
    raise OptionError("--verify-images", text, f"0 to {MOST_IMAGES}")
