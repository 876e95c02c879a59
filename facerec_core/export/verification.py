"""Does TensorFlow Lite Micro compute what was evaluated? Fingerprints step by step, and the rates that come of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facerec_core.data.records import FaceSet
from facerec_core.data.selection import pair_up
from facerec_core.errors import QuantizationError
from facerec_core.metrics import evaluate
from facerec_core.protocol import FOLDS
from facerec_core.roc import far_label
from facerec_core.tflite import dequantize_output
from facerec_core.types import Evaluation, Interval, TensorScale

MOST_STEPS = 1
"""By how much an element of a fingerprint may differ."""
REPLICATES = 200
"""Of the bootstrap behind the interval of the end-to-end rate."""


@dataclass(frozen=True)
class Agreement:
    """Fingerprints of the same images from two interpreters: how many images, how many are equal, how far at most.

    `largest_step` is the largest difference of one element, in steps of the int8 output.
    """

    images: int
    equal: int
    largest_step: int


@dataclass(frozen=True)
class EndToEnd:
    """A rate on validation images through LiteRT's reference kernels, with its interval, and through the device's.

    `metric` is such as "tar_at_far_1e-3"; `interval` is None where nothing could be resampled, and then both rates
    have to be equal. `device_far` and `device_tar` are what the threshold that is shipped gives on the device's
    fingerprints of these images; all three are None where there is none.
    """

    agreement: Agreement
    identities: int
    genuine_pairs: int
    impostor_pairs: int
    metric: str
    lite_rt: float
    interval: Interval | None
    micro: float
    threshold: float | None = None
    device_far: float | None = None
    device_tar: float | None = None


def check_agreement(lite_rt: NDArray[np.int8], micro: NDArray[np.int8], what: str) -> Agreement:
    """Compare fingerprints int8 [n, dimension] of the same images.

    Raises:
        QuantizationError: an element differs by more than MOST_STEPS.
    """
    apart = np.abs(lite_rt.astype(np.int16) - micro.astype(np.int16)).max(axis=1, initial=0)
    found = Agreement(len(lite_rt), int((apart == 0).sum()), int(apart.max(initial=0)))
    if found.largest_step > MOST_STEPS:
        raise QuantizationError(
            f"{what}: TensorFlow Lite Micro's fingerprints differ from LiteRT's by up to {found.largest_step} steps, "
            f"allowed: {MOST_STEPS}; nothing was exported"
        )
    return found


def check_end_to_end(
    faces: FaceSet,
    lite_rt: NDArray[np.int8],
    micro: NDArray[np.int8],
    scale: TensorScale,
    target_far: float,
    threshold: float | None = None,
) -> EndToEnd:
    """Judge both interpreters' fingerprints int8 [n, dimension] of `faces` as a sweep does.

    The rate is the TAR at the target FAR where the pairs resolve it, else at the smallest listed FAR that they resolve,
    else the accuracy. `threshold` is the one that is shipped, None where there is none.

    Raises:
        DataError: the faces give no genuine or no impostor pairs.
        QuantizationError: fingerprints too far apart, or a rate outside LiteRT's interval.
    """
    agreement = check_agreement(lite_rt, micro, "validation images")
    known = _judged(faces, lite_rt, scale, target_far, threshold, REPLICATES)
    device = _judged(faces, micro, scale, target_far, threshold, 0)
    metric = resolved_metric(known, target_far)
    rate, other = _rates(known)[metric], _rates(device)[metric]
    if rate is None or other is None:
        raise QuantizationError(f"{metric} is not defined for both interpreters; nothing was exported")
    interval = known.intervals.get(metric)
    within = rate == other if interval is None else interval.low <= other <= interval.high
    if not within:
        allowed = f"{rate:.4f}" if interval is None else f"{interval.low:.4f} to {interval.high:.4f}"
        raise QuantizationError(
            f"{metric} on {len(lite_rt)} validation images is {other:.4f} through TensorFlow Lite Micro, allowed: "
            f"{allowed}, as LiteRT has it; nothing was exported"
        )
    people = len(set(faces.labels.tolist()))
    pairs = (known.genuine_pairs, known.impostor_pairs)
    shipped = (None, None) if threshold is None else (device.realised_far, device.realised_tar)
    return EndToEnd(agreement, people, *pairs, metric, rate, interval, other, threshold, *shipped)


def resolved_metric(evaluation: Evaluation, target_far: float) -> str:
    """The key of the rate to compare by: that of the smallest FAR, from the target upwards, with a TAR."""
    fars = {float(label): label for label, tar in evaluation.tar_at_far.items() if tar is not None}
    wanted = [far_label(target_far)] if evaluation.tar_at_far.get(far_label(target_far)) is not None else []
    larger = [fars[far] for far in sorted(fars) if far > target_far]
    chosen = (*wanted, *larger)
    return f"tar_at_far_{chosen[0]}" if chosen else "accuracy"


def _rates(evaluation: Evaluation) -> Mapping[str, float | None]:
    tars = {f"tar_at_far_{label}": tar for label, tar in evaluation.tar_at_far.items()}
    return {**tars, "accuracy": evaluation.accuracy}


def _judged(
    faces: FaceSet,
    fingerprints: NDArray[np.int8],
    scale: TensorScale,
    target_far: float,
    threshold: float | None,
    replicates: int,
) -> Evaluation:
    return evaluate(
        dequantize_output(fingerprints, scale),
        faces.labels,
        pair_up(None, faces, 0, FOLDS),
        split="validation",
        identities=len(faces.identities),
        target_far=target_far,
        threshold=threshold,
        replicates=replicates,
    )
