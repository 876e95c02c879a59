"""What a variant would take on a board: the latency of one fingerprint, and how that is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analysis.sources import LATENCY_KINDS
from analysis.wording import quantity
from facerec_core.errors import FacerecError
from facerec_core.latency import estimate
from facerec_core.latency.board import BoardSpec
from facerec_core.types import Candidate, Latency, Scheme

FLOAT = "Estimates are of int8 networks; float32 is here for comparison."
NO_ARCHITECTURE = "A file alone does not say which network it is; name a run or a candidate to see its latency."


@dataclass(frozen=True)
class BoardFigure:
    """The large figure of a board, its interval, how it is known or why there is none, and what that rests on."""

    figure: str
    interval: str
    known: str
    source: str = ""


def _none(why: str) -> BoardFigure:
    return BoardFigure("–", "", why)


@dataclass(frozen=True)
class Boards:
    """The boards that can be chosen by name, and the one that is first; `find` composes a board of that name."""

    names: tuple[str, ...]
    first: str
    find: Callable[[str], BoardSpec]

    def figure(self, name: str, candidate: Candidate | None, scheme: Scheme | None) -> BoardFigure:
        """What the page says of a board; a board that cannot be used says why."""
        if candidate is None:
            return _none(NO_ARCHITECTURE)
        if scheme == "float32":
            return _none(FLOAT)
        shape = (candidate.width, candidate.resolution, candidate.embedding, candidate.last)
        try:
            return figure_of(estimate(self.find(name), *shape))
        except FacerecError as error:
            return _none(str(error))


def figure_of(latency: Latency) -> BoardFigure:
    """Milliseconds with their interval, and how they are known."""
    known = f"{latency.provenance}: {LATENCY_KINDS[latency.provenance]}"
    interval = f"{quantity(latency.low_ms)} to {quantity(latency.high_ms)} ms"
    return BoardFigure(
        f"{quantity(latency.ms)} ms", interval, f"{known}; {latency.board}, {latency.runtime}", latency.source
    )


def with_first(names: Sequence[str], first: str) -> tuple[str, ...]:
    """The names in order, and the first among them even where it is a board of one's own."""
    return tuple(sorted({*names, first}))
