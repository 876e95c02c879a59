"""What a record is called in the tracker: names, metric keys, parameters and tags. Pure.

The three variants of a candidate have the same metric keys, so that MLflow's compare view sets them side by side.
Bare keys (`tar_at_far_1e-3`) are validation figures, the ones to choose by; `test_` figures are for the report.
What is undefined is absent, never a number.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping

from facerec_core.budget import for_file
from facerec_core.group_rates import spread
from facerec_core.types import DEPLOYABLE, Candidate, Evaluation, Feasibility, RocGrid, RunRecord, Scheme, VariantRecord

VARIANT_CONFIG = (
    "train.epochs",
    "train.loss",
    "train.init",
    "train.batch_size",
    "train.learning_rate",
    "quant.ptq.calibration_images",
    "quant.qat.epochs",
    "quant.qat.scope",
    "eval.kernels",
)
CARRYING = ("sweep", "workers", "force", "reference", "grid", "search", "executor", "paths", "tracking", "board")
"""What says how a sweep is carried through and judged, and not what a candidate is; `board` is named by every run."""
OVERVIEW = ("accuracy", "auc", "eer", "size_bytes", "arena_bytes")
"""Besides TARs, worst groups and int8 health, what a candidate's run repeats of each variant."""
STEPS_PER_DECADE = 100
ROC_STEPS = 20
"""Five points of the ROC a decade; all of them are in `roc.json`."""
LONGEST_TAG = 500


def variant_name(candidate: Candidate, scheme: Scheme) -> str:
    """The candidate's name and the numeric scheme: `0.5@128-640 qat_int8`."""
    return f"{candidate.name} {scheme}"


def cost_metrics(record: RunRecord) -> dict[str, float]:
    """What the architecture costs; the same for every variant."""
    cost, latency = record.cost, record.latency
    return {
        "parameters": cost.parameters,
        "parameters_without_head": cost.parameters_without_head,
        "parameter_bytes": cost.parameter_bytes,
        "macs": cost.macs,
        "peak_activation_bytes": cost.peak_activation_bytes,
        "predicted_file_bytes": cost.file_bytes,
        "predicted_arena_bytes": cost.arena_bytes,
        "latency_ms": latency.ms,
        "latency_low_ms": latency.low_ms,
        "latency_high_ms": latency.high_ms,
    }


def variant_metrics(record: RunRecord, variant: VariantRecord) -> dict[str, float]:
    """Every figure of one variant: validation (bare keys), test (`test_`), file size and cost."""
    test = {f"test_{key}": value for key, value in _evaluation_metrics(variant.test).items()}
    own = _evaluation_metrics(variant.validation) | test | _file_metrics(variant) | _health_metrics(variant)
    return _defined(own | {"threshold": variant.validation.threshold}) | cost_metrics(record)


def _file_metrics(variant: VariantRecord) -> dict[str, float | None]:
    file, arena = variant.file, variant.file.arena
    return {
        "size_bytes": file.size_bytes,
        "converted_bytes": file.converted_bytes,
        "arena_bytes": arena.total_bytes if arena else None,
        "arena_persistent_bytes": arena.persistent_bytes if arena else None,
        "arena_activation_bytes": arena.activation_bytes if arena else None,
    }


def _health_metrics(variant: VariantRecord) -> dict[str, float | None]:
    """Signal-to-quantisation-noise against float32 in dB: of the layer that is worst, and of the fingerprint."""
    if variant.health is None:
        return {}
    worst = [layer.sqnr_db for layer in variant.health.worst()]
    return {"worst_layer_sqnr_db": worst[0] if worst else None, "fingerprint_sqnr_db": variant.health.fingerprint_db}


def candidate_metrics(record: RunRecord) -> dict[str, float]:
    """The cost, the seconds of each stage, and the main validation figures of each variant as `qat_int8/accuracy`."""
    figures: dict[str, float | None] = {f"{stage}_seconds": seconds for stage, seconds in record.stage_seconds.items()}
    for variant in record.variants:
        own = _evaluation_metrics(variant.validation) | _file_metrics(variant) | _health_metrics(variant)
        figures |= {f"{variant.scheme}/{key}": value for key, value in own.items() if _in_overview(key)}
    return cost_metrics(record) | _defined(figures)


def _in_overview(key: str) -> bool:
    return key in OVERVIEW or key.startswith(("tar_at_far_", "worst_group_")) or key.endswith("_sqnr_db")


def candidate_params(record: RunRecord) -> dict[str, str]:
    """What of the resolved configuration decides the candidate, dotted, and what it shares with its variants."""
    deciding = {name: value for name, value in record.config.items() if name not in CARRYING}
    return dict(flatten(deciding)) | _shared_params(record)


def sweep_params(config: Mapping[str, object]) -> dict[str, str]:
    """What of the resolved configuration says how the sweep is carried through, under dotted keys."""
    return dict(flatten({name: value for name, value in config.items() if name in CARRYING}))


def variant_params(record: RunRecord, variant: VariantRecord) -> dict[str, str]:
    """What runs are filtered by: the shared parameters, the numeric scheme and the main keys of the recipe."""
    config = dict(flatten(record.config))
    recipe = {key: config[key] for key in VARIANT_CONFIG if key in config}
    own = {"variant": variant.scheme, "feasible": _text(_feasible(record, variant))}
    return recipe | _shared_params(record) | own


def _feasible(record: RunRecord, variant: VariantRecord) -> bool:
    """By the variant's own file; a network in float is not deployed and has the verdict on its candidate."""
    limits = record.feasibility
    if variant.scheme in DEPLOYABLE:
        limits = Feasibility(for_file(limits.checks, variant.file.size_bytes))
    return limits.feasible


def version_tags(record: RunRecord) -> dict[str, str]:
    """What the candidate was made with, as `version.PACKAGE`."""
    return {f"version.{package}": version for package, version in record.versions.items()}


def record_tags(record: RunRecord) -> dict[str, str]:
    """Status, reasons and provenance of a candidate and its variants; one that has nothing to say is left out."""
    failure = record.failure
    tags = {
        "status": record.status,
        "candidate_key": record.key,
        "violated": ", ".join(record.feasibility.violated),
        "undecided": ", ".join(record.feasibility.undecided),
        "git_commit": record.git_commit or "",
        "mlflow.source.git.commit": record.git_commit or "",
        "mlflow.source.name": "python -m sweep",
        "data_fingerprint": record.data.fingerprint if record.data else "",
        "failure_stage": failure.stage if failure else "",
        "failure_message": failure.message if failure else "",
        "warnings": "; ".join(record.warnings),
    }
    return {key: _shortened(text) for key, text in tags.items() if text}


def curve_points(record: RunRecord) -> Iterator[tuple[str, float, int]]:
    """Learning curves as (key such as `train_loss`, value, epoch)."""
    for point in record.curves:
        for name, value in _defined(point.metrics).items():
            yield f"{point.phase}_{name}", value, point.epoch


def roc_points(roc: RocGrid) -> Iterator[tuple[str, float, int]]:
    """The ROC as (`roc_tar`, TAR, step), step = 100 log10 FAR: -300 is FAR 1e-3, 0 is FAR 1."""
    for exponent, tar in zip(roc.log10_far, roc.tar, strict=True):
        step = round(STEPS_PER_DECADE * exponent)
        if tar is not None and step % ROC_STEPS == 0:
            yield "roc_tar", tar, step


def _evaluation_metrics(evaluation: Evaluation) -> dict[str, float | None]:
    groups = spread(evaluation.groups)
    rates = {f"tar_at_far_{label}": tar for label, tar in evaluation.tar_at_far.items()}
    return rates | {
        "accuracy": evaluation.accuracy,
        "auc": evaluation.auc,
        "eer": evaluation.eer,
        "far_floor": evaluation.far_floor,
        "realised_far": evaluation.realised_far,
        "realised_tar": evaluation.realised_tar,
        "worst_group_far": groups.far,
        "worst_group_far_ratio": groups.far_ratio,
        "worst_group_tar": groups.tar,
        "worst_group_tar_ratio": groups.tar_ratio,
    }


def _defined(figures: Mapping[str, float | None]) -> dict[str, float]:
    return {key: value for key, value in figures.items() if value is not None and math.isfinite(value)}


def _shared_params(record: RunRecord) -> dict[str, str]:
    candidate = record.candidate
    shared = {
        "width": f"{candidate.width:g}",
        "res": str(candidate.resolution),
        "embedding": str(candidate.embedding),
        "last": _text(candidate.last),
        "seed": str(record.seed),
        "feasible": _text(record.feasibility.feasible),
        "board": record.latency.board,
        "runtime": record.latency.runtime,
        "latency_provenance": record.latency.provenance,
    }
    return shared | ({"data": record.data.name} if record.data else {})


def flatten(config: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every value of a nested configuration under its dotted key, written as on the command line."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _text(value)


def _text(value: object) -> str:
    """As it is typed on the command line: null, true, 0.5, [1,2]."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TAG else f"{text[: LONGEST_TAG - 1]}…"
