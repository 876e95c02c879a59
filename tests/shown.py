"""Records with everything a report can show: bands, searches with and without a float gallery, rates by epoch."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

from facerec_core.types import (
    DEPLOYABLE,
    CurvePoint,
    Evaluation,
    IdentificationRates,
    OverDraws,
    RunRecord,
)
from tests.records import as_pruned, make_record, make_records
from tests.resampled import with_replicates

FLOAT_GALLERY_GAIN = 0.12
SPREAD = 1.2
"""Odds at the ends of an interval over those of its rate."""


def shown_records(count: int = 4, *, limited: bool = True) -> tuple[RunRecord, ...]:
    """So many records; beyond 60 the same networks with longer fingerprints. Every 15th was given up early."""
    records = list(make_records(min(count, 60), limited=limited))
    longer = 1
    while len(records) < count:
        for record in make_records(60)[: count - len(records)]:
            candidate = record.candidate
            changed = dataclasses.replace(candidate, embedding=candidate.embedding + longer)
            records.append(make_record(changed, limited=limited))
        longer += 1
    return tuple(_given_up(with_everything(record), place) for place, record in enumerate(records))


def _given_up(record: RunRecord, place: int) -> RunRecord:
    return as_pruned(record, epochs=4) if place % 15 == 7 and record.curves else record


def with_everything(record: RunRecord) -> RunRecord:
    """The record, had it been resampled, searched with and watched while it trained."""
    record = with_replicates(record)
    variants = tuple(
        dataclasses.replace(
            variant,
            validation=_banded(variant.validation),
            test=dataclasses.replace(
                _banded(variant.test),
                identification=tuple(_searches(variant.test, 0.0)),
                float_gallery=tuple(_searches(variant.test, FLOAT_GALLERY_GAIN))
                if variant.scheme in DEPLOYABLE
                else (),
            ),
        )
        for variant in record.variants
    )
    return dataclasses.replace(record, variants=variants, curves=tuple(_watched(record)))


def _banded(evaluation: Evaluation) -> Evaluation:
    grid = evaluation.roc
    low, high = (tuple(_odds(tar, factor) for tar in grid.tar) for factor in (1 / SPREAD, SPREAD))
    return dataclasses.replace(evaluation, roc=dataclasses.replace(grid, low=low, high=high))


def _odds(rate: float | None, factor: float) -> float | None:
    """The rate whose odds are so many times those of `rate`."""
    return None if rate is None else factor * rate / (1 - rate + factor * rate)


def _searches(test: Evaluation, gain: float) -> Iterator[IdentificationRates]:
    """FNIR falls with the skill that the EER tells, and rises with the gallery; among 1,000, FPIR 1e-2 is not known."""
    for gallery, images, rule in (
        (10, 1, "mean"),
        (10, 3, "best"),
        (100, 1, "mean"),
        (100, 3, "best"),
        (1000, 1, "mean"),
    ):
        miss = min(0.98, test.eer * (1.5 + math.log10(gallery)) * (0.8 if images > 1 else 1.0))
        spread = 0.2 * miss / math.log10(gallery)
        fnir = max(0.001, miss * (1 - gain))
        at = {"1e-1": OverDraws(fnir, spread), "1e-2": OverDraws(min(0.99, 1.8 * fnir), spread)}
        if gallery == 1000:
            at["1e-2"] = None
        rejected = OverDraws(1 - miss / 3, spread)
        rank_1 = OverDraws(1 - 0.6 * fnir, spread)
        yield IdentificationRates(gallery, images, rule, 10, 900, 3000, rank_1, at, at["1e-1"], rejected)


def _watched(record: RunRecord) -> Iterator[CurvePoint]:
    """The curves with a validation TAR after every third epoch of the first phase."""
    best = record.variants[0].validation.tar_at_far["1e-2"] if record.variants else None
    for point in record.curves:
        there = best is not None and point.phase == "train" and point.epoch % 3 == 0
        tar = {"validation_tar": best * (1 - 0.8**point.epoch)} if there else {}
        yield dataclasses.replace(point, metrics={**point.metrics, **tar})
