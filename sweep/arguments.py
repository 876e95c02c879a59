"""The flags beside Hydra's overrides, and one-line refusals of what is none."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from typing import NoReturn

from facerec_core.errors import OptionError, UsageError
from sweep.compare_flags import add_flags as add_compare_flags
from sweep.compare_flags import take_sides
from sweep.export.flags import add_flags as add_export_flags
from sweep.export.flags import take_selectors
from sweep.gallery.flags import FLAGS as GALLERY_FLAGS
from sweep.gallery.flags import add_flags as add_gallery_flags
from sweep.help import VERBS
from sweep.studio.flags import DEFAULT_PORT as STUDIO_PORT
from sweep.studio.flags import add_flags as add_studio_flags
from sweep.studio.flags import take_candidate

DEFAULT_PORT = 5000
INFO_TOPICS = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; `python -m sweep VERB --help` lists the flags")


def _wide(prog: str) -> argparse.HelpFormatter:
    return argparse.HelpFormatter(prog, max_help_position=34, width=110)


def split_verb(argv: Sequence[str]) -> tuple[str | None, list[str]]:
    """The verb and the rest; flags that need no verb may come without one.

    Raises:
        UsageError: the first word is neither a verb nor a flag.
    """
    first, rest = argv[0], list(argv[1:])
    if first in VERBS:
        return first, rest
    if first.startswith("-"):
        return None, list(argv)
    if "=" in first:
        raise UsageError(f"no verb before {first!r}, allowed: {', '.join(VERBS)}")
    near = get_close_matches(first, VERBS, n=1)
    advice = f"nearest: {near[0]}" if near else f"allowed: {', '.join(VERBS)}"
    raise UsageError(f"unknown verb {first!r}, {advice}")


def parse_flags(verb: str | None, argv: Sequence[str]) -> argparse.Namespace:
    """Flags and overrides, in any order; overrides end up in `.overrides`.

    Raises:
        UsageError: a flag that does not exist, or a value it does not take.
    """
    parser = make_parser(verb)
    parsed, unknown = parser.parse_known_intermixed_args(list(argv))
    if unknown:
        near = get_close_matches(unknown[0], flag_names(verb), n=1)
        advice = f"nearest: {near[0]}" if near else f"allowed: {', '.join(flag_names(verb))}"
        raise UsageError(f"unknown flag {unknown[0]!r}, {advice}")
    if verb == "export":
        take_selectors(parsed)
    if verb == "compare":
        take_sides(parsed)
    if verb == "studio":
        take_candidate(parsed)
    return parsed


def flag_names(verb: str | None) -> list[str]:
    """The long flags of a verb."""
    actions = make_parser(verb)._actions
    return [name for action in actions for name in action.option_strings if name.startswith("--")]


def make_parser(verb: str | None) -> argparse.ArgumentParser:
    """The parser of a verb, or of the flags that need none."""
    parser = _Parser(add_help=False, allow_abbrev=False, usage=argparse.SUPPRESS, formatter_class=_wide)
    parser.add_argument("overrides", nargs="*", help=argparse.SUPPRESS)
    flags = parser.add_argument_group("Flags")
    flags.add_argument("-h", "--help", action="store_true", help="this text")
    if verb is None:
        flags.add_argument("--version", action="store_true", help="the version")
    if verb == "latency":
        flags.add_argument("--board", metavar="NAME", help="the same as board=NAME; of import, the new board's name")
        flags.add_argument(
            "--out", metavar="PATH", help="where to write: a file of measure, a folder of bench and import"
        )
        flags.add_argument("--runs", type=_runs, metavar="N", help="timed inferences a network")
    if verb == "data":
        flags.add_argument("--json", action="store_true", help="one object, or a list of them, instead of text")
        flags.add_argument(
            "--out", metavar="PATH", help="where to write: the contact sheet of check (PNG), the folder of fetch"
        )
        flags.add_argument(
            "--allow-shared", action="store_true", help="check: a name in two splits is a warning, not an error"
        )
    if verb == "status":
        flags.add_argument("--json", action="store_true", help="a list of objects instead of text")
    if verb in {"plan", "latency"}:
        formats = flags.add_mutually_exclusive_group()
        formats.add_argument("--json", action="store_true", help="a list of objects instead of the table")
        formats.add_argument("--csv", action="store_true", help="comma-separated values instead of the table")
    if verb in {"ui", "studio"}:
        port = DEFAULT_PORT if verb == "ui" else STUDIO_PORT
        flags.add_argument("--port", type=_port, default=port, metavar="N", help="default: %(default)s")
    _add_flags_of_packages(flags, verb)
    _add_hydra_flags(flags)
    return parser


def _add_flags_of_packages(flags: argparse._ArgumentGroup, verb: str | None) -> None:
    """The flags of verbs that are packages and state them themselves."""
    if verb is not None and verb in GALLERY_FLAGS:
        add_gallery_flags(flags, verb)
    if verb == "export":
        add_export_flags(flags)
    if verb == "compare":
        add_compare_flags(flags)
    if verb == "studio":
        add_studio_flags(flags)


def _add_hydra_flags(flags: argparse._ArgumentGroup) -> None:
    """The flags Hydra's users reach for, under their names there."""
    flags.add_argument(
        "-c", "--cfg", choices=("job", "hydra", "all"), metavar="PART", help="print the configuration: job, hydra, all"
    )
    flags.add_argument("--resolve", action="store_true", help="with --cfg: interpolations resolved")
    flags.add_argument("-p", "--package", metavar="KEY", help="with --cfg: only this part, such as train")
    topics = ", ".join(INFO_TOPICS)
    flags.add_argument("-i", "--info", nargs="?", const="all", choices=INFO_TOPICS, metavar="TOPIC", help=topics)
    flags.add_argument("-cn", "--config-name", default="config", metavar="NAME", help="another root file")
    flags.add_argument("-cd", "--config-dir", metavar="DIR", help="your own conf folder, preferred to the built-in one")
    flags.add_argument("-sc", "--shell-completion", metavar="ACTION", help="install=bash or uninstall=bash")
    flags.add_argument("--hydra-help", action="store_true", help="Hydra's own help")


def _runs(text: str) -> int:
    if text.isdecimal() and 3 <= int(text) <= 100_000:
        return int(text)
    raise OptionError("--runs", text, "3 to 100000")


def _port(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= 65535:
        return int(text)
    raise OptionError("--port", text, "1 to 65535")
