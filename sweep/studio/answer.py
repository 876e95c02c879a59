"""Who is on a photo, as the page tells it: figures first, then words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facerec_core.gallery.fixed_point import ONE
from facerec_core.gallery.match import Match, nearest
from facerec_core.gallery.records import FarThreshold
from sweep.studio.people import Scored

LISTED = 5


@dataclass(frozen=True)
class Near:
    """One of the nearest people: similarity as a cosine, how far it lies above the threshold, and enrolled photos."""

    name: str
    similarity: float
    margin: float
    photos: int


@dataclass(frozen=True)
class Answer:
    """The verdict on one face with one variant; `near` is the nearest people, the nearest first, at most LISTED."""

    match: Match
    threshold: FarThreshold
    near: tuple[Near, ...]
    people: int

    @property
    def name(self) -> str | None:
        """Whose face it is; None for an unknown one."""
        return self.near[0].name if self.match.known else None


def answer_of(scored: Scored) -> Answer:
    """The verdict, which is the gallery's own, and the nearest people; of equal scores the first in order is nearer."""
    threshold = scored.threshold
    order = np.argsort(-scored.scores, kind="stable")[:LISTED].tolist()
    near = tuple(
        Near(
            scored.names[person],
            int(scored.scores[person]) / ONE,
            (int(scored.scores[person]) - threshold.fixed) / ONE,
            scored.counts[person],
        )
        for person in order
    )
    return Answer(nearest(scored.scores, threshold.fixed), threshold, near, len(scored.names))


def headline(answer: Answer) -> str:
    """The name, or that it is nobody's."""
    return answer.name or "Unknown"


def explanation(answer: Answer) -> str:
    """One sentence that says why."""
    if not answer.near:
        return "Nobody is enrolled for this variant yet, so everybody is unknown."
    first, margin = answer.near[0], answer.match.margin
    if not answer.match.known:
        return f"The nearest is {first.name}, {-margin:.4f} below the threshold."
    ahead = answer.match.margin_to_second
    second = "" if ahead is None else f", and {ahead:.4f} ahead of {answer.near[1].name}"
    return f"{margin:.4f} above the threshold{second}."


def threshold_origin(threshold: FarThreshold) -> str:
    """Where a threshold comes from."""
    return "set by hand" if threshold.far is None else f"for FAR {threshold.far:g}"


def share_of_scale(similarity: float) -> float:
    """Where a similarity lies on a scale of 0 to 1, in per cent; what is below 0 lies at its end."""
    return round(100 * min(max(similarity, 0.0), 1.0), 2)
