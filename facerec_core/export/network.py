"""What firmware has to know of a network, as a record and as the header `facerec_network.h`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facerec_core.data.alignment import TEMPLATE, TEMPLATE_SIDE
from facerec_core.export.arrays import ALIGNMENT_BYTES, Array, header, source
from facerec_core.gallery.records import FarThreshold
from facerec_core.types import Arena, TensorScale, VariantRecord

ARENA_MARGIN = 0.01
"""Other versions of TensorFlow Lite Micro took up to 0.42 % more for the same networks (docs/cost_model.md)."""
LANDMARKS = ("left eye", "right eye", "nose", "left corner of the mouth", "right corner of the mouth")


@dataclass(frozen=True)
class Threshold:
    """The least score accepted, chosen on validation at `far`, and what it gave on validation and on test."""

    far: float
    threshold: float
    score: int
    validation_far: float | None
    validation_tar: float | None
    test_far: float | None
    test_tar: float | None


@dataclass(frozen=True)
class ArenaBytes:
    """The arena handed to the interpreter, `bytes`: what it took on this 64-bit computer and a margin.

    `device` is what a 32-bit device is predicted to take. `measured` is None where the interpreter is not to be had;
    then the margin is on the prediction.
    """

    bytes: int
    measured: int | None
    device: int
    margin: float


@dataclass(frozen=True)
class NetworkFacts:
    """The network as the firmware sees it.

    `landmarks` are (x, y) in pixels of the input, the centre of the first pixel at (0, 0); `aligned` says whether the
    network was trained on faces aligned by them, else on the central `crop` of each image.
    """

    side: int
    dimension: int
    sha256: str
    size_bytes: int
    input: TensorScale
    output: TensorScale
    operators: tuple[str, ...]
    arena: ArenaBytes
    thresholds: tuple[Threshold, ...]
    far_floor: float
    aligned: bool
    crop: float
    image_size: int
    landmarks: tuple[tuple[float, float], ...]


def arena_bytes(measured: Arena | None, device_bytes: int) -> ArenaBytes:
    """The arena with its margin, a multiple of the alignment; of measurement and prediction the larger.

    Args:
        measured: on this computer.
        device_bytes: predicted for a 32-bit device.
    """
    taken = device_bytes if measured is None else max(measured.total_bytes, device_bytes)
    total = math.ceil(taken * (1 + ARENA_MARGIN) / ALIGNMENT_BYTES) * ALIGNMENT_BYTES
    return ArenaBytes(total, None if measured is None else measured.total_bytes, device_bytes, ARENA_MARGIN)


def landmarks_at(side: int) -> tuple[tuple[float, float], ...]:
    """The five points of the alignment template in a face of `side` pixels.

    The plane begins half a pixel before the first centre, so that is where faces of two sides agree.
    """
    points = (TEMPLATE + 0.5) * (side / TEMPLATE_SIDE) - 0.5
    return tuple((float(x), float(y)) for x, y in points)


def thresholds_of(evaluated: Sequence[VariantRecord]) -> tuple[Threshold, ...]:
    """One for each target FAR that evaluations of the same file chose a threshold for, the strictest first.

    A FAR below the floor of its pairs has no threshold, so none is listed.
    """
    found: dict[float, Threshold] = {}
    for one in evaluated:
        validation, test = one.validation, one.test
        if validation.threshold is not None:
            score = FarThreshold.of(validation.threshold, validation.target_far).fixed
            rates = (validation.realised_far, validation.realised_tar, test.realised_far, test.realised_tar)
            found.setdefault(
                validation.target_far, Threshold(validation.target_far, validation.threshold, score, *rates)
            )
    return tuple(found[far] for far in sorted(found))


def network_files(facts: NetworkFacts, content: bytes) -> dict[str, bytes]:
    """The file, its C array, and facerec_network.{h,c}, by name.

    Args:
        facts: of the network.
        content: its .tflite file.
    """
    digest = Array.of("facerec_model_sha256", "SHA-256 of facerec_model.tflite.", bytes.fromhex(facts.sha256))
    model = Array.of("facerec_model", "facerec_model.tflite.", content)
    points = np.array(facts.landmarks)
    texts = {
        "facerec_network.h": header("FACEREC_NETWORK_H", (digest,), _constants(facts, points)),
        "facerec_network.c": source("facerec_network.h", (digest,)),
        "facerec_model.h": header("FACEREC_MODEL_H", (model,), f"\n#define FACEREC_MODEL_BYTES {len(content)}u\n"),
        "facerec_model.c": source("facerec_model.h", (model,)),
    }
    return {"facerec_model.tflite": content} | {name: text.encode() for name, text in texts.items()}


def _constants(facts: NetworkFacts, points: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    landmarks = ", ".join(f"{{{x:.4f}f, {y:.4f}f}}" for x, y in points)
    return f"""
/* The input: a square of RGB pixels, a byte each, row by row. A pixel value p stands for p / 127.5 - 1;
 * facerec_input_levels() makes the tensor's steps of it by scale and zero point. */
#define FACEREC_SIDE {facts.side}
#define FACEREC_CHANNELS 3
#define FACEREC_INPUT_SCALE {facts.input.scale!r}
#define FACEREC_INPUT_ZERO_POINT ({facts.input.zero_point})

/* How faces were cut out: {_preparation(facts)}.
 * FACEREC_LANDMARKS: where {", ".join(LANDMARKS)} lie in an aligned
 * face, x and y in pixels of the input, left and right as seen in the image, the centre of the first pixel at 0. */
#define FACEREC_TRAINED_ALIGNED {int(facts.aligned)}
#define FACEREC_CROP {facts.crop!r}f
#define FACEREC_LANDMARKS {{{landmarks}}}

/* The output: the fingerprint. facerec_match.h compares it as it is; a real number is scale * (q - zero point). */
#define FACEREC_DIMENSION {facts.dimension}
#define FACEREC_OUTPUT_SCALE {facts.output.scale!r}
#define FACEREC_OUTPUT_ZERO_POINT ({facts.output.zero_point})

/* The arena of TensorFlow Lite Micro: {_arena(facts.arena)}.
 * A 32-bit device is predicted to take FACEREC_ARENA_DEVICE_BYTES. */
#ifndef FACEREC_ARENA_BYTES
#define FACEREC_ARENA_BYTES {facts.arena.bytes}u
#endif
#define FACEREC_ARENA_DEVICE_BYTES {facts.arena.device}u

/* The least score accepted, in units of 2^-30, by the false accept rate in billionths that it was chosen for on
 * validation: rows of {{far_billionths, score}}, the strictest first. A gallery carries its own. */
#define FACEREC_THRESHOLD_COUNT {len(facts.thresholds)}
{_threshold_rows(facts.thresholds)}"""


def _preparation(facts: NetworkFacts) -> str:
    if facts.aligned:
        return "aligned by five landmarks onto FACEREC_LANDMARKS"
    return f"the central square, {facts.crop:.4g} of the shorter side, without alignment"


def _arena(arena: ArenaBytes) -> str:
    if arena.measured is None:
        return f"predicted, with {arena.margin:.0%} to spare"
    return f"{arena.measured} bytes were taken on a 64-bit computer, and {arena.margin:.0%} is to spare"


def _threshold_rows(thresholds: Sequence[Threshold]) -> str:
    """Nothing where there is none: an empty initialiser is no C99."""
    if not thresholds:
        return ""
    rows = ", ".join(f"{{{FarThreshold.of(0.0, one.far).far_billionths}u, {one.score}}}" for one in thresholds)
    return f"#define FACEREC_THRESHOLDS {{{rows}}}\n"
