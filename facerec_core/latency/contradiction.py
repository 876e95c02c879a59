"""Measurements that cannot both be right: a network slower than one that contains it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

from facerec_core.cost import macs_by_kind
from facerec_core.latency.table import TimedRow

IMPOSSIBLE = 0.2
"""Spread and alignment of channels explain some per cent; from here on one of the two was not measured as it seems."""


@dataclass(frozen=True)
class Contradiction:
    """A row that is slower than one whose network has no smaller side and no fewer multiply-adds of any kind.

    `others` counts the pairs that one and the same of the two rows is in besides.
    """

    slower: TimedRow
    larger: TimedRow
    others: int = 0

    @property
    def excess(self) -> float:
        """Time of the smaller network over that of the larger one, less 1."""
        return self.slower.latency_ms / self.larger.latency_ms - 1

    @property
    def is_impossible(self) -> bool:
        """Whether no spread explains it."""
        return self.excess > IMPOSSIBLE


def contradictions(rows: Sequence[TimedRow], new: Sequence[TimedRow]) -> tuple[Contradiction, ...]:
    """Pairs of rows, at least one of them new, whose times are in the wrong order by more than their spread.

    One wild measurement contradicts many others; so the row in the most pairs is taken to be the wrong one, answered
    with its worst pair, and left out, until no pair remains.

    Args:
        rows: a whole table, the new rows included.
        new: those that were measured now.
    """
    left, found = sorted(_wrong(rows, new), key=lambda one: -one.excess), []
    while left:
        counts = Counter(row for one in left for row in (one.slower, one.larger))
        suspect, pairs = counts.most_common(1)[0]
        worst = next(one for one in left if suspect in (one.slower, one.larger))
        found.append(replace(worst, others=pairs - 1))
        left = [one for one in left if suspect not in (one.slower, one.larger)]
    return tuple(found)


def _wrong(rows: Sequence[TimedRow], new: Sequence[TimedRow]) -> Iterator[Contradiction]:
    fresh = set(new)
    for small, large in permutations(rows, 2):
        found = Contradiction(small, large)
        apart = (small.low_ms or small.latency_ms) > (large.high_ms or large.latency_ms)
        if (apart or found.is_impossible) and not fresh.isdisjoint((small, large)) and _is_contained(small, large):
            yield found


def _is_contained(small: TimedRow, large: TimedRow) -> bool:
    """Nothing of the small network is more than in the large one."""
    fewer, more = macs_by_kind(small.timed_network), macs_by_kind(large.timed_network)
    return small.resolution <= large.resolution and all(fewer[kind] <= more.get(kind, 0) for kind in fewer)
