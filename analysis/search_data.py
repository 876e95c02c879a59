"""What the figures of open-set identification show: rates over the size of the gallery, on the test people.

Float, PTQ and QAT search among what they enrolled themselves; the int8 files search among what the float network
enrolled as well, as where people are enrolled on a server and recognised on a device.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.figure_data import candidate_colours
from analysis.selection import SCHEME_NAMES, Entry, Selection, candidate_names
from facerec_core.types import IdentificationRates, OverDraws, Scheme

MOST_PANELS = 4
"""So many candidates, the best, have a panel each."""


@dataclass(frozen=True)
class SearchLine:
    """One network's searches over gallery sizes; `fnir` at one FPIR, None where too few strangers resolve it."""

    name: str
    scheme: Scheme
    float_gallery: bool
    galleries: tuple[int, ...]
    rank_1: tuple[OverDraws, ...]
    fnir: tuple[OverDraws | None, ...]


@dataclass(frozen=True)
class SearchPanel:
    """One candidate's lines."""

    label: str
    lines: tuple[SearchLine, ...]


@dataclass(frozen=True)
class SearchFigure:
    """The best candidates, all with the same way to enrol and at the same FPIR."""

    enrolled_images: int
    rule: str
    fpir: str
    panels: tuple[SearchPanel, ...]

    @property
    def galleries(self) -> tuple[int, ...]:
        """Every size that is drawn, ascending."""
        return tuple(sorted({size for panel in self.panels for line in panel.lines for size in line.galleries}))

    @property
    def told(self) -> str:
        """How people are enrolled, in words."""
        return "1 image each" if self.enrolled_images == 1 else f"{self.enrolled_images} images each, {self.rule} score"


def search_figure(selection: Selection) -> SearchFigure | None:
    """The recommended and the next best candidates' searches on test; None where nobody was searched for."""
    entries = [entry for key in list(candidate_colours(selection))[:MOST_PANELS] for entry in _of(selection, key)]
    every = [rates for entry in entries for found in _searches(entry).values() for rates in found]
    if not every:
        return None
    images, rule = _way(every)
    kept = [rates for rates in every if (rates.enrolled_images, rates.rule) == (images, rule)]
    fpir = _fpir(kept)
    names = candidate_names([entry.record for entry in entries])
    panels = [
        SearchPanel(names[key], tuple(_lines([e for e in entries if e.record.key == key], images, rule, fpir)))
        for key in dict.fromkeys(entry.record.key for entry in entries)
    ]
    return SearchFigure(images, rule, fpir, tuple(panel for panel in panels if panel.lines))


def _of(selection: Selection, key: str) -> list[Entry]:
    """A candidate's entries, float first."""
    order = list(SCHEME_NAMES)
    found = [entry for entry in selection.entries if entry.record.key == key and entry.variant]
    return sorted(found, key=lambda entry: order.index(entry.variant.scheme) if entry.variant else 0)


def _searches(entry: Entry) -> Mapping[bool, Sequence[IdentificationRates]]:
    """By whether the float network enrolled."""
    test = entry.variant.test if entry.variant else None
    return {} if test is None else {False: test.identification, True: test.float_gallery}


def _way(every: Sequence[IdentificationRates]) -> tuple[int, str]:
    """Images and rule that have most figures; of equals the fewest images, which most people have."""
    counts = Counter((rates.enrolled_images, rates.rule) for rates in every)
    return min(counts, key=lambda way: (-counts[way], way[0], way[1] != "mean"))


def _fpir(kept: Sequence[IdentificationRates]) -> str:
    """The strictest FPIR with figures at every size; the widest where there is none."""
    labels = sorted({label for rates in kept for label in rates.fnir_at_fpir}, key=float)
    whole = (label for label in labels if all(rates.fnir_at_fpir.get(label) for rates in kept))
    return next(whole, labels[-1])


def _lines(entries: Sequence[Entry], images: int, rule: str, fpir: str) -> list[SearchLine]:
    lines = []
    for entry in entries:
        for from_float, found in _searches(entry).items():
            chosen = [rates for rates in found if (rates.enrolled_images, rates.rule) == (images, rule)]
            if entry.variant and chosen:
                chosen.sort(key=lambda rates: rates.gallery)
                name = SCHEME_NAMES[entry.variant.scheme] + (", float gallery" if from_float else "")
                lines.append(
                    SearchLine(
                        name=name,
                        scheme=entry.variant.scheme,
                        float_gallery=from_float,
                        galleries=tuple(rates.gallery for rates in chosen),
                        rank_1=tuple(rates.rank_1 for rates in chosen),
                        fnir=tuple(rates.fnir_at_fpir.get(fpir) for rates in chosen),
                    )
                )
    return lines
