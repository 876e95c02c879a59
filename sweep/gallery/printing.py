"""What the verbs print: a JSON object, or lines in which a name cannot act on the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping

from facerec_core.gallery.match import Match
from facerec_core.gallery.records import FarThreshold


def print_object(content: Mapping[str, object]) -> None:
    """One JSON object, ASCII only, so that no name needs escaping twice."""
    sys.stdout.write(json.dumps(content, indent=2, allow_nan=False) + "\n")
    sys.stdout.flush()


def print_lines(lines: Iterable[str]) -> None:
    """Lines of text."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def threshold_text(one: FarThreshold) -> str:
    """A threshold and where it comes from."""
    origin = "set by hand" if one.far is None else f"chosen on validation at FAR {one.far:g}"
    return f"{one.threshold:.4f} ({origin})"


def match_object(match: Match, names: tuple[str, ...]) -> dict[str, object]:
    """A match for JSON; `person` is null for an unknown face, `nearest` is whoever comes next to it."""
    nearest = None if match.person is None else names[match.person]
    return {
        "known": match.known,
        "person": nearest if match.known else None,
        "nearest": nearest,
        "score": None if match.person is None else match.cosine,
        "score_q30": match.score,
        "margin": None if match.person is None else match.margin,
        "second": None if match.second is None else names[match.second],
        "margin_to_second": match.margin_to_second,
    }
