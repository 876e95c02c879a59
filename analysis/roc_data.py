"""What the ROC and DET figures show: curves from the FAR floor upwards, with their 95 % bands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from analysis.figure_data import candidate_colours, drawn_keys
from analysis.selection import Entry, Selection
from facerec_core.bootstrap import TAR_KEY
from facerec_core.types import DEPLOYABLE, Evaluation, Scheme, Split

ROC_COLOURS = 4
DET_FARS = (1e-4, 1e-3, 1e-2, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
DET_FRRS = (1e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9)
"""Rates that a DET's axes name."""
DET_LEAST, DET_MOST = 1e-4, 0.9
"""The least and the highest rate that a DET shows."""
DET_WIDEST = 0.8
"""The highest FAR on it: the last of the grid before everything is accepted."""
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Bar:
    """A TAR at one FAR with its 95 % interval; all 0-1."""

    far: float
    tar: float
    low: float
    high: float


@dataclass(frozen=True)
class RocLine:
    """One variant's ROC on one split, from its FAR floor upwards; `colour` None is drawn as background.

    `low` and `high` are the ends of the interval at each FAR, the band, empty where it is not known. `bars` are at
    the listed FARs, which are all that records of earlier versions know.
    """

    label: str
    scheme: Scheme
    far: tuple[float, ...]
    tar: tuple[float, ...]
    far_floor: float
    colour: str | None
    bars: tuple[Bar, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


def roc_line(entry: Entry, split: Split, colour: str | None) -> RocLine:
    """The ROC of an entry that has a variant."""
    if entry.variant is None:
        raise ValueError(f"{entry.label} has no variant")
    evaluation = entry.variant.validation if split == "validation" else entry.variant.test
    drawn = [
        (10**x, tar) for x, tar in zip(evaluation.roc.log10_far, evaluation.roc.tar, strict=True) if tar is not None
    ]
    return RocLine(
        label=entry.label,
        scheme=entry.variant.scheme,
        far=tuple(far for far, _ in drawn),
        tar=tuple(tar for _, tar in drawn),
        far_floor=evaluation.far_floor,
        colour=colour,
        bars=_bars(evaluation),
        low=tuple(low for low in evaluation.roc.low if low is not None),
        high=tuple(high for high in evaluation.roc.high if high is not None),
    )


def _bars(evaluation: Evaluation) -> tuple[Bar, ...]:
    found = []
    for label, tar in evaluation.tar_at_far.items():
        spread = evaluation.intervals.get(TAR_KEY + label)
        if tar is not None and spread is not None:
            found.append(Bar(float(label), tar, spread.low, spread.high))
    return tuple(sorted(found, key=lambda bar: bar.far))


def roc_lines(selection: Selection, split: Split) -> tuple[RocLine, ...]:
    """All int8 variants and the recommended candidate's float32, worst first so that the best lies on top.

    The variants of the best ROC_COLOURS candidates are coloured by candidate, the rest are background.
    """
    colours = dict(list(candidate_colours(selection).items())[:ROC_COLOURS])
    best, drawn = selection.recommended, drawn_keys(selection)
    shown = [
        entry
        for entry in selection.entries
        if entry.variant
        and entry.record.key in drawn
        and (entry.standing != "reference" or (best is not None and entry.record.key == best.record.key))
    ]
    lines = [roc_line(entry, split, colours.get(entry.record.key)) for entry in reversed(shown)]
    return tuple(sorted(lines, key=lambda line: line.colour is not None))


def deviate(rate: float) -> float:
    """The normal deviate of a rate (the inverse of the standard normal distribution), a DET's scale.

    A. Martin et al., "The DET curve in assessment of detection task performance", Eurospeech 1997; ISO/IEC 19795-1.
    Rates are held between DET_LEAST and DET_MOST, where the axes end.
    """
    return _NORMAL.inv_cdf(min(max(rate, DET_LEAST), DET_MOST))


def det_points(line: RocLine) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """FAR and FRR = 1 - TAR of a line, as rates, where the FAR is on the axes; FRRs below them lie on their edge."""
    kept = [(far, 1 - tar) for far, tar in zip(line.far, line.tar, strict=True) if far <= DET_MOST]
    return tuple(far for far, _ in kept), tuple(max(frr, DET_LEAST) for _, frr in kept)


def best_of_colours(lines: Sequence[RocLine]) -> tuple[RocLine, ...]:
    """The best int8 line of each colour: the bands of more would hide each other."""
    return tuple({line.colour: line for line in lines if line.colour and line.scheme in DEPLOYABLE}.values())


def banded(lines: Sequence[RocLine]) -> tuple[RocLine, ...]:
    """The lines whose bands are drawn."""
    return tuple(line for line in best_of_colours(lines) if line.low)


def det_band(line: RocLine) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """FARs of a DET, and the lower and upper ends of the FRR there, as rates on the axes."""
    kept = [ends for ends in zip(line.far, line.low, line.high, strict=True) if ends[0] <= DET_MOST]
    return (
        tuple(far for far, _, _ in kept),
        tuple(max(1 - high, DET_LEAST) for _, _, high in kept),
        tuple(max(1 - low, DET_LEAST) for _, low, _ in kept),
    )


def background(lines: Sequence[RocLine]) -> tuple[tuple[Scheme, tuple[RocLine, ...]], ...]:
    """The lines without a colour by scheme; each scheme is drawn as one line with gaps."""
    plain = [line for line in lines if line.colour is None]
    return tuple(
        (scheme, tuple(line for line in plain if line.scheme == scheme))
        for scheme in dict.fromkeys(line.scheme for line in plain)
    )


def barred(lines: Sequence[RocLine]) -> tuple[tuple[RocLine, float], ...]:
    """The best int8 line of each colour that has intervals but no band, and the factor that moves its bars aside.

    On a logarithmic axis the bars of several lines would cover each other at the same FAR.
    """
    best = [line for line in best_of_colours(lines) if line.bars and not line.low]
    middle = (len(best) - 1) / 2
    return tuple((line, 10 ** (0.03 * (position - middle))) for position, line in enumerate(best))
