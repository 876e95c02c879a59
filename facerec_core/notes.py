"""What a finished stage says of itself, as it is kept in its folder."""

from __future__ import annotations

from dataclasses import dataclass

from facerec_core.types import CurvePoint, VariantRecord


@dataclass(frozen=True)
class StageNotes:
    """What a training or conversion stage says of itself beside its files.

    `converted_bytes` is the size of its .tflite file before names and metadata were stripped.
    """

    seconds: float
    converted_bytes: int
    curves: tuple[CurvePoint, ...] = ()
    calibration_images: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class EvaluationNotes:
    """What an evaluation stage found."""

    seconds: float
    variant: VariantRecord
