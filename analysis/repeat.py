"""The command that trains one candidate of a sweep alone."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from facerec_core.types import RunRecord

ARCHITECTURE = ("width", "res", "embedding", "last", "seed")
HOW_ONLY = ("workers", "force", "executor")
"""Keys, and groups of keys, that change how candidates are trained but not what comes out."""
_TRAINING_VERBS = ("run", "multirun", "search")
_SWEPT = re.compile(r"[,()]")
_PLAIN = re.compile(r"[\w./:@%+-]+")


def leaves(config: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Dotted key and value of everything in a nested configuration that is not a group."""
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def repeat_command(typed: Sequence[str], record: RunRecord) -> str:
    """The candidate's command with one value a key, its own; empty where that cannot be said for certain.

    What the command sweeps, what a search proposes and the architecture are taken from the record's configuration;
    every other word stays. A record of an earlier version does not say which command it was; then all that was `typed`
    for its sweep has to come to the same.
    """
    found = [_repeated(command, record) for command in ((record.command,) if record.command else typed)]
    return found[-1] if len({_what(one) for one in found}) == 1 else ""


def _what(command: str) -> tuple[str, ...]:
    """A command without what only says how."""
    return tuple(word for word in shlex.split(command) if _key(word).partition(".")[0] not in HOW_ONLY)


def _repeated(command: str, record: RunRecord) -> str:
    try:
        words = shlex.split(command)
    except ValueError:
        return ""
    if words[:3] != ["python", "-m", "sweep"] or len(words) < 4 or words[3] not in _TRAINING_VERBS:
        return ""
    known = dict(leaves(record.config))
    kept = [word for word in words[4:] if _key(word) not in ARCHITECTURE and _key(word) != "sweep"]
    fixed = list(dict.fromkeys((*ARCHITECTURE, *_searched(words[3], record, known))))
    swept = [_key(word) for word in kept if "=" in word and _SWEPT.search(word.partition("=")[2])]
    wanted = list(dict.fromkeys([*(key for key in fixed if key in known), *swept]))
    values = {key: _value(known.get(key, ...)) for key in wanted}
    if any(value is None for value in values.values()) or not values:
        return ""
    rest = [word for word in kept if _key(word) not in values]
    return shlex.join(["python", "-m", "sweep", "run", *rest, *(f"{key}={value}" for key, value in values.items())])


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~") if "=" in word else ""


def _searched(verb: str, record: RunRecord, known: Mapping[str, object]) -> list[str]:
    """The keys that a search proposes, by its space; ranges are groups below the key."""
    search = record.config.get("search")
    space = search.get("space") if isinstance(search, Mapping) else None
    if verb != "search" or not isinstance(space, Mapping):
        return []
    names = [name for name, _ in leaves(space)]
    return [key for key in known if any(name == key or name.startswith(f"{key}.") for name in names)]


def _value(value: object) -> str | None:
    """A value as Hydra reads it back; None for what would need quoting."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    return value if isinstance(value, str) and _PLAIN.fullmatch(value) else None
