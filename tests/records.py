"""Realistic records of a sweep, made up without training: the shape of what the pipeline leaves.

Everything follows from the architecture and a fixed formula, so the same call gives the same records.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math

from facerec_core.arch import layers, resolve_embedding
from facerec_core.roc import LISTED_FARS, LOG10_FAR_GRID, far_label
from facerec_core.types import (
    Arena,
    BrokenImage,
    Candidate,
    Cost,
    CurvePoint,
    DataSummary,
    Evaluation,
    Failure,
    Feasibility,
    GroupRates,
    Latency,
    LimitCheck,
    ModelFile,
    RocGrid,
    RunRecord,
    Scheme,
    Split,
    TensorScale,
    VariantRecord,
    Verdict,
)

STARTED = 1_780_000_000.0
LIMITS: dict[str, float | str | None] = {
    "parameter_bytes": 1_000_000,
    "file_bytes": None,
    "activation_bytes": None,
    "latency_ms": 500.0,
    "latency_judge": "upper",
    "board": "stm32f746",
}
SCHEME_LOSS: dict[Scheme, float] = {"float32": 0.0, "ptq_int8": 0.12, "qat_int8": 0.04}


def make_cost(candidate: Candidate) -> Cost:
    """A cost of the right size; only the order of the figures is meant."""
    macs = {"conv": 0, "pointwise": 0, "depthwise": 0, "dense": 0}
    parameters = 0
    for layer in layers(candidate.width, candidate.resolution, candidate.embedding):
        if layer.kind in macs:
            weights = layer.kernel**2 * layer.channels_out * (1 if layer.kind == "depthwise" else layer.channels_in)
            macs[layer.kind] += weights * layer.side_out**2
            parameters += weights + 4 * layer.channels_out
    return Cost(
        macs=sum(macs.values()),
        macs_by_kind=macs,
        classes=100,
        parameters=parameters + 101 * candidate.embedding,
        parameters_without_head=parameters,
        parameters_without_batch_norm=parameters * 9 // 10,
        parameter_bytes=parameters,
        peak_activation_bytes=int(30 * candidate.width * candidate.resolution**2),
        file_bytes=parameters + parameters // 4,
        arena_bytes=int(30 * candidate.width * candidate.resolution**2) + 60_000,
    )


def make_latency(cost: Cost) -> Latency:
    """About 11.5 ms a million multiply-adds, known to 3 %."""
    ms = round(cost.macs * 11.5e-6, 1)
    return Latency(ms, round(ms * 0.97, 1), round(ms * 1.03, 1), "fitted", "stm32f746", "X-CUBE-AI 8.0.0", "made up")


def make_limit(name: str, figure: str, value: float, limit: float) -> LimitCheck:
    """A limit in bytes."""
    return LimitCheck(name, figure, value, limit, "bytes", value - limit, "ok" if value <= limit else "exceeded")


def make_feasibility(cost: Cost, latency: Latency) -> Feasibility:
    """The two limits of LIMITS, the latency judged by its upper end."""
    verdict: Verdict = "ok" if latency.high_ms <= 500 else "exceeded" if latency.low_ms > 500 else "undecided"
    size = cost.parameter_bytes
    return Feasibility(
        (
            make_limit("parameter_bytes", "parameter_bytes", size, 1_000_000),
            LimitCheck("latency_ms", "latency_high_ms", latency.high_ms, 500.0, "ms", latency.high_ms - 500, verdict),
        )
    )


def make_evaluation(skill: float, split: Split, impostor_pairs: int = 1_500_000) -> Evaluation:
    """An evaluation whose genuine scores lie `skill` standard deviations above the impostors'."""
    floor = 30 / impostor_pairs

    def tar(far: float) -> float | None:
        # A logistic stands in for the normal distribution.
        return None if far < floor else 1.0 if far >= 1 else 1 / (1 + (1 / far - 1) * math.exp(-3.1 * skill))

    target = tar(1e-3)
    return Evaluation(
        split=split,
        images=1740,
        identities=580,
        genuine_pairs=1740,
        impostor_pairs=impostor_pairs,
        far_floor=floor,
        auc=1 / (1 + math.exp(-2 * skill)),
        eer=1 / (1 + math.exp(1.5 * skill)),
        accuracy=1 / (1 + math.exp(-1.4 * skill)),
        accuracy_pairs=1000,
        tar_at_far={far_label(far): tar(far) for far in LISTED_FARS},
        roc=RocGrid(LOG10_FAR_GRID, tuple(tar(10**exponent) for exponent in LOG10_FAR_GRID)),
        target_far=1e-3,
        threshold=None if target is None else 0.42,
        realised_far=None if target is None else 0.00098 if split == "validation" else 0.0013,
        realised_tar=target,
    )


def make_groups() -> tuple[GroupRates, ...]:
    """Two groups of people that fare differently, one too small for rates, and images of no group."""
    return (
        GroupRates("older", 700, 230, 800, 240_000, 0.004, 0.61),
        GroupRates("rare", 8, 4, 4, 24, None, None),
        GroupRates("younger", 1000, 330, 900, 490_000, 0.001, 0.82),
        GroupRates("(none)", 32, 16, 36, 460, None, 0.5),
    )


def with_groups(record: RunRecord, groups: tuple[GroupRates, ...]) -> RunRecord:
    """The record, had every split been evaluated for these groups."""
    variants = tuple(
        dataclasses.replace(
            variant,
            validation=dataclasses.replace(variant.validation, groups=groups),
            test=dataclasses.replace(variant.test, groups=groups),
        )
        for variant in record.variants
    )
    return dataclasses.replace(record, variants=variants)


def make_variant(candidate: Candidate, cost: Cost, scheme: Scheme, impostor_pairs: int) -> VariantRecord:
    """One numeric scheme; int8 files take a byte a parameter and a share for scales and names."""
    grain = (candidate.embedding % 7) / 50
    skill = 2.6 + math.log(candidate.width) + 0.9 * math.log(candidate.resolution / 96) + grain - SCHEME_LOSS[scheme]
    integer = scheme != "float32"
    kind = "int8" if integer else "float32"
    parameters = cost.parameters_without_head
    name = f"{candidate.width:g}_{candidate.resolution}_{candidate.embedding}_{scheme}.tflite"
    return VariantRecord(
        scheme=scheme,
        file=ModelFile(
            path=f"models/{name}",
            size_bytes=parameters + parameters // 3 + (1016 if scheme == "qat_int8" else 0)
            if integer
            else 4 * parameters + 40_000,
            converted_bytes=5 * parameters + 50_000,
            sha256=hashlib.sha256(name.encode()).hexdigest(),
            input=TensorScale(kind, 1 / 127.5 if integer else 0.0, -1 if integer else 0),
            output=TensorScale(kind, 0.0235 if integer else 0.0, -128 if integer else 0),
            embedding=candidate.embedding,
            operators={"CONV_2D": 35, "DEPTHWISE_CONV_2D": 17, "ADD": 10, "MEAN": 1},
            arena=Arena(cost.arena_bytes + 4000, 64_000, cost.arena_bytes - 60_000),
        ),
        kernels="fast",
        validation=make_evaluation(skill, "validation", impostor_pairs),
        test=make_evaluation(skill - 0.06, "test", impostor_pairs),
    )


def make_curves(width: float) -> tuple[CurvePoint, ...]:
    """Twelve epochs of training and two of quantisation-aware training."""
    train = [
        CurvePoint("train", epoch, {"loss": 5 * math.exp(-epoch * width / 4) + 0.4, "accuracy": 1 - 0.8**epoch})
        for epoch in range(1, 13)
    ]
    qat = [CurvePoint("qat", epoch, {"loss": 0.5 - 0.04 * epoch, "accuracy": 0.95}) for epoch in (1, 2)]
    return tuple(train + qat)


def make_data(name: str = "synthetic") -> DataSummary:
    """A data set with one image that could not be read."""
    broken = (BrokenImage("p017/003.jpg", "truncated"),)
    return DataSummary(name, "5f1c0ffee5f1c0ff", 12_000, 600, 1740, 580, 1740, 580, broken)


def make_record(
    candidate: Candidate, *, seed: int = 0, impostor_pairs: int = 1_500_000, limited: bool = True
) -> RunRecord:
    """One candidate: complete, or not trained when it exceeds a limit (`limited=False`: there is none)."""
    cost = make_cost(candidate)
    latency = make_latency(cost)
    feasibility = make_feasibility(cost, latency) if limited else Feasibility(())
    identity = f"{candidate.width:g}-{candidate.resolution}-{candidate.embedding}-{seed}"
    untrained = RunRecord(
        key=hashlib.sha256(identity.encode()).hexdigest()[:16],
        status="infeasible",
        candidate=candidate,
        seed=seed,
        cost=cost,
        latency=latency,
        feasibility=feasibility,
        config={"width": candidate.width, "res": candidate.resolution, "embedding": candidate.embedding, "seed": seed},
        versions={"python": "3.11.9", "tensorflow": "2.21.0", "ai-edge-litert": "2.3.0"},
        git_commit="0123456789abcdef0123456789abcdef01234567",
        started_unix=STARTED,
        ended_unix=STARTED + 0.1,
    )
    if feasibility.violated:
        return untrained
    schemes: tuple[Scheme, ...] = ("float32", "ptq_int8", "qat_int8")
    return dataclasses.replace(
        untrained,
        status="complete",
        ended_unix=STARTED + 75.0,
        data=make_data(),
        variants=tuple(make_variant(candidate, cost, scheme, impostor_pairs) for scheme in schemes),
        curves=make_curves(candidate.width),
        calibration_images=("p001/000.jpg", "p002/003.jpg"),
        stage_seconds={"train": 60.0, "ptq": 5.0, "qat": 8.0, "evaluate": 2.0},
    )


def as_failed(record: RunRecord, message: str = "loss became nan at step 40") -> RunRecord:
    """The same candidate, had its training failed."""
    failure = Failure("train", message, "Traceback (most recent call last):\n  ...\nTrainingError: loss became nan")
    return dataclasses.replace(record, status="failed", variants=(), failure=failure)


def as_pruned(record: RunRecord, epochs: int = 3) -> RunRecord:
    """The same candidate, had it been given up after so many epochs."""
    return dataclasses.replace(record, status="pruned", variants=(), curves=record.curves[:epochs])


def make_records(count: int = 4, *, impostor_pairs: int = 1_500_000, limited: bool = True) -> tuple[RunRecord, ...]:
    """The first `count` of 60 candidates.

    The first four are widths 0.35 and 0.5 at 96 and 128 pixels, all complete. Further on there are larger ones,
    infeasible or undecided; the sixth is one that failed.
    """
    small = list(itertools.product((0.35, 0.5), (96, 128)))
    others = list(itertools.product((0.35, 0.5, 0.75, 1.0, 1.3, 1.4), range(96, 225, 32)))
    grid = small + [pair for pair in others if pair not in small]
    scaled = [Candidate(width, side, resolve_embedding("scaled", width)) for width, side in grid]
    wide = [Candidate(width, side, 256) for width, side in grid]
    chosen = (scaled + wide)[:count]
    records = [make_record(candidate, impostor_pairs=impostor_pairs, limited=limited) for candidate in chosen]
    return tuple(as_failed(record) if index == 5 else record for index, record in enumerate(records))
