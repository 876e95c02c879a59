"""How fast a sweep goes, and how long it will still take, learnt from the candidates it has finished."""

from __future__ import annotations

from collections.abc import Mapping

LEAST_SHARE = 0.05
"""A candidate that takes longer than was thought is taken to have this share of its time before it still."""


class Pace:
    """Times of the candidates that were carried through in this start; what was known or did not fit counts nothing.

    Times are seconds on any clock. A candidate's weight is what its time is thought to be in proportion to.
    """

    def __init__(self) -> None:
        self._weights: dict[str, float] = {}
        self._seconds_a_weight: float | None = None
        self._begun: dict[str, float] = {}
        self._over: set[str] = set()
        self._seconds, self._weight, self._count = 0.0, 0.0, 0
        self._side_by_side = 1

    def foresee(self, weights: Mapping[str, float], seconds_a_weight: float | None = None) -> None:
        """Tell what is to come, by key, and what a weight takes where earlier sweeps have shown it."""
        self._weights = dict(weights)
        self._seconds_a_weight = seconds_a_weight

    def heard(self, key: str, now: float) -> None:
        """A candidate has given a sign of life."""
        self._begun.setdefault(key, now)
        self._side_by_side = max(self._side_by_side, len(self._begun))

    def ended(self, key: str, now: float) -> None:
        """A candidate is over, whether or not it ever began."""
        self._over.add(key)
        begun = self._begun.pop(key, None)
        if begun is not None:
            self._seconds += now - begun
            self._weight += self._weight_of(key)
            self._count += 1

    def a_minute(self) -> float | None:
        """Candidates a minute while as many run as ever did side by side; None before the first is finished."""
        return 60 * self._side_by_side * self._count / self._seconds if self._seconds > 0 else None

    def seconds_left(self, now: float, waiting: int) -> float | None:
        """Seconds until all are over, `waiting` of which have not begun; None while nothing tells."""
        scale = self._scale()
        if scale is None:
            return None
        running = [self._left_of(key, begun, now, scale) for key, begun in self._begun.items()]
        whole = sum(running) + scale * self._waiting_weight(waiting)
        return max([whole / self._side_by_side, *running])

    def _scale(self) -> float | None:
        return self._seconds / self._weight if self._seconds > 0 else self._seconds_a_weight

    def _left_of(self, key: str, begun: float, now: float, scale: float) -> float:
        thought = scale * self._weight_of(key)
        return max(thought - (now - begun), LEAST_SHARE * thought)

    def _waiting_weight(self, waiting: int) -> float:
        """Of those that were foreseen what is neither over nor running; else as many average ones."""
        if self._weights:
            return sum(w for key, w in self._weights.items() if key not in self._over and key not in self._begun)
        return waiting * (self._weight / self._count if self._count else 1.0)

    def _weight_of(self, key: str) -> float:
        average = sum(self._weights.values()) / len(self._weights) if self._weights else 1.0
        return self._weights.get(key, average)


def clock_text(seconds: float) -> str:
    """Minutes and seconds as 12:34, with hours where there are any: 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def about(seconds: float) -> str:
    """A time left in words that promise no more than is known: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{max(5 * round(seconds / 5), 5)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
