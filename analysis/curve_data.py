"""What the figure of quantisation shows."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.figure_data import candidate_colours, drawn_keys
from analysis.selection import Entry, Selection, candidate_names
from facerec_core.types import SCHEMES

SCHEME_TICKS = ("float32", "PTQ int8", "QAT int8")
"""What the places of `Slope.values` are called."""


@dataclass(frozen=True)
class Slope:
    """A candidate's metric as float32, ptq_int8 and qat_int8, None where there is no such variant."""

    label: str
    values: tuple[float | None, ...]
    colour: str | None


def slopes(selection: Selection) -> tuple[Slope, ...]:
    """Each trained candidate's metric under the three schemes, best candidate last so that it lies on top."""
    colours = candidate_colours(selection)
    drawn = drawn_keys(selection)
    trained = list(dict.fromkeys(e.record.key for e in selection.entries if e.variant and e.record.key in drawn))
    names = candidate_names([entry.record for entry in _one_each(selection)])
    values = {(e.record.key, e.variant.scheme): e.value for e in selection.entries if e.variant}
    found = [Slope(names[key], tuple(values.get((key, s)) for s in SCHEMES), colours.get(key)) for key in trained]
    found.reverse()
    return tuple(sorted(found, key=lambda slope: slope.colour is not None))


def _one_each(selection: Selection) -> list[Entry]:
    return list({entry.record.key: entry for entry in selection.entries}.values())
