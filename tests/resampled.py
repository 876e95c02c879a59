"""Records whose evaluations were resampled: made-up replicates of the shape that `facerec_core.bootstrap` leaves."""

from __future__ import annotations

import dataclasses
import zlib

import numpy as np

from facerec_core.bootstrap import percentile_interval
from facerec_core.types import Evaluation, IdentificationRates, OverDraws, RunRecord

REPLICATES = 100


def with_replicates(record: RunRecord, own: float = 0.004, shared: float = 0.02) -> RunRecord:
    """The record, had its evaluations been resampled.

    Args:
        record: any.
        own: standard deviation of what is peculiar to one variant.
        shared: standard deviation of what all variants owe to the same people, which cancels in differences.
    """
    variants = tuple(
        dataclasses.replace(
            variant,
            validation=_resampled(variant.validation, f"{record.key}{variant.scheme}", own, shared),
            test=dataclasses.replace(
                _resampled(variant.test, f"{record.key}{variant.scheme}test", own, shared), identification=searches()
            ),
        )
        for variant in record.variants
    )
    return dataclasses.replace(record, variants=variants)


def _resampled(evaluation: Evaluation, name: str, own: float, shared: float) -> Evaluation:
    people, peculiar = np.random.default_rng(2004), np.random.default_rng(zlib.crc32(name.encode()))
    together = people.normal(0, shared, REPLICATES)
    rates = {f"tar_at_far_{label}": tar for label, tar in evaluation.tar_at_far.items()}
    rates |= {"eer": evaluation.eer, "accuracy": evaluation.accuracy, "auc": evaluation.auc}
    found = {
        key: np.clip(rate + together + peculiar.normal(0, own, REPLICATES), 0, 1)
        for key, rate in rates.items()
        if rate is not None
    }
    return dataclasses.replace(
        evaluation,
        intervals={key: percentile_interval(values) for key, values in found.items()},
        replicates={key: tuple(values.tolist()) for key, values in found.items()},
        resampling=f"made up {evaluation.split}",
    )


def searches() -> tuple[IdentificationRates, ...]:
    """Two galleries; the larger has too few strangers for FPIR 1e-2."""
    at_fpir = {"1e-1": OverDraws(0.12, 0.01), "1e-2": OverDraws(0.31, 0.02)}
    few = {"1e-1": OverDraws(0.24, 0.02), "1e-2": None}
    return (
        IdentificationRates(10, 1, "mean", 10, 3900, 4000, OverDraws(0.96, 0.01), at_fpir, at_fpir["1e-1"], None),
        IdentificationRates(
            100, 3, "best", 10, 900, 800, OverDraws(0.91, 0.01), few, OverDraws(0.3, 0.1), OverDraws(0.7, 0.02)
        ),
    )
