"""The records that flow between the rooms: frozen, JSON-able, paths and hashes instead of live models.

Units are in the names. Rates are in 0-1 and unrounded; an undefined rate is None, never a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Scheme = Literal["float32", "float32_control", "ptq_int8", "qat_int8"]
SCHEMES: tuple[Scheme, ...] = ("float32", "ptq_int8", "qat_int8")
"""What every candidate has. The control, the float network trained on for as long as QAT trains, is made on request."""
DEPLOYABLE: tuple[Scheme, ...] = ("ptq_int8", "qat_int8")
Provenance = Literal["measured", "fitted", "borrowed", "emulated", "simulated", "extrapolated"]
Verdict = Literal["ok", "exceeded", "undecided"]
Status = Literal["complete", "infeasible", "failed", "pruned"]
Split = Literal["validation", "test"]
NO_GROUP = "(none)"
"""The group of images that belong to none."""


def fingerprint_name(embedding: int, last: int | None) -> str:
    """How a fingerprint is made: `640`, the mean of so many channels, or `1280-128` with a linear layer behind them."""
    return str(embedding) if last is None else f"{last}-{embedding}"


@dataclass(frozen=True)
class Candidate:
    """One architecture: width multiplier, input side in pixels, length of the fingerprint.

    `last` is the number of channels of the last convolution where a linear layer maps them to the fingerprint; None
    where the fingerprint is their mean.
    """

    width: float
    resolution: int
    embedding: int
    last: int | None = None

    @property
    def name(self) -> str:
        """Width, resolution and length of the fingerprint: `0.5@128-640`, or `0.5@128-1280-128` with a linear layer."""
        return f"{self.width:g}@{self.resolution}-{fingerprint_name(self.embedding, self.last)}"


@dataclass(frozen=True)
class Cost:
    """What an architecture costs, exact, from its layer list alone.

    `macs` and `peak_activation_bytes` are those of the network that is deployed, without its head;
    `macs_by_kind["dense"]` includes the head over `classes` identities. `parameters` and
    `parameters_without_batch_norm` include the head; batch-normalisation layers count their four
    vectors each, as Keras does. `parameter_bytes` is the published rule of one byte a parameter of
    the network without its head; `file_bytes` predicts the stripped int8 .tflite, `arena_bytes` the arena of
    TensorFlow Lite Micro on a 32-bit device.
    """

    macs: int
    macs_by_kind: Mapping[str, int]
    classes: int
    parameters: int
    parameters_without_head: int
    parameters_without_batch_norm: int
    parameter_bytes: int
    peak_activation_bytes: int
    file_bytes: int
    arena_bytes: int


@dataclass(frozen=True)
class Latency:
    """One inference on one board with one runtime, and how the figure is known."""

    ms: float
    low_ms: float
    high_ms: float
    provenance: Provenance
    board: str
    runtime: str
    source: str


@dataclass(frozen=True)
class LimitCheck:
    """One limit against one candidate; `excess` <= 0 means within the limit.

    `figure` names what was judged: `ram_bytes` may be about `peak_activation_bytes` or about `arena_bytes`. `value` is
    the most it may be, with all that a runtime is known to need beside it.
    """

    name: str
    figure: str
    value: float
    limit: float
    unit: str
    excess: float
    verdict: Verdict


@dataclass(frozen=True)
class Feasibility:
    """Every limit that was checked."""

    checks: tuple[LimitCheck, ...]

    @property
    def violated(self) -> tuple[str, ...]:
        """Names of the limits that are exceeded."""
        return tuple(c.name for c in self.checks if c.verdict == "exceeded")

    @property
    def undecided(self) -> tuple[str, ...]:
        """Names of the limits that lie between the least and the most a figure may be."""
        return tuple(c.name for c in self.checks if c.verdict == "undecided")

    @property
    def feasible(self) -> bool:
        """Whether every limit is met without doubt."""
        return not self.violated and not self.undecided


@dataclass(frozen=True)
class BrokenImage:
    """An image that could not be used, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class DataSummary:
    """What was trained and evaluated on; `test_identities` is None where the people tested on have no names."""

    name: str
    fingerprint: str
    train_images: int
    train_identities: int
    validation_images: int
    validation_identities: int
    test_images: int
    test_identities: int | None
    broken: tuple[BrokenImage, ...] = ()


@dataclass(frozen=True)
class RocGrid:
    """A ROC sampled on a fixed grid of log10 FAR; `tar` is None below the FAR floor.

    `low` and `high` are the ends of the 95 % interval at each FAR, None where `tar` is, empty where nothing was
    resampled. Each FAR has its own interval: that a whole curve lies between them has a lower probability.
    """

    log10_far: tuple[float, ...]
    tar: tuple[float | None, ...]
    low: tuple[float | None, ...] = ()
    high: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class GroupRates:
    """One group of people at the threshold of the whole split: pairs whose images both belong to it.

    `far` is None where the group's impostor pairs cannot resolve the target FAR, `tar` with fewer than 30 genuine
    pairs, both without a threshold.
    """

    group: str
    images: int
    identities: int
    genuine_pairs: int
    impostor_pairs: int
    far: float | None
    tar: float | None


@dataclass(frozen=True)
class Interval:
    """Where a rate lies with 95 % confidence, had other people been drawn."""

    low: float
    high: float


@dataclass(frozen=True)
class OverDraws:
    """Mean and standard deviation of a rate over random draws; the draws overlap, so it is no confidence interval."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class IdentificationRates:
    """Searches among `gallery` enrolled people, of whom each has `enrolled_images`; see `facerec_core.identification`.

    A person's score is the similarity to the mean of the enrolled fingerprints (`rule` "mean") or to the most similar
    of them ("best"). The counts of probes are those of the draw that has fewest. `rank_1` is the share of enrolled
    people's searches in which they are the most similar, whatever the threshold; `fnir` and `unknown_rejected` are at
    the deployed threshold, None where there is none; `fnir_at_fpir` maps a label such as "1e-2" to the FNIR, None where
    too few strangers resolve it.
    """

    gallery: int
    enrolled_images: int
    rule: Literal["mean", "best"]
    draws: int
    known_probes: int
    unknown_probes: int
    rank_1: OverDraws
    fnir_at_fpir: Mapping[str, OverDraws | None]
    fnir: OverDraws | None
    unknown_rejected: OverDraws | None


@dataclass(frozen=True)
class Evaluation:
    """How well one variant verifies the pairs of one split.

    `tar_at_far` maps a label such as "1e-3" to the TAR, or to None where the impostor pairs cannot
    resolve that FAR; the target FAR is among them. `threshold` was chosen on the validation impostors at `target_far`;
    `realised_far` and `realised_tar` are what it gives on this split, `groups` what it gives within each group of
    people where groups are known. `identities` is None where the people have no names; then only listed pairs count.

    `intervals` and `replicates` have keys such as "tar_at_far_1e-3", "eer", "auc", "accuracy", "realised_far" and
    "realised_tar"; a rate that is None has neither, and the AUC no replicates. Two evaluations with the same
    `resampling` were made of the same pairs and the same resampled people, so their replicates belong together one
    by one. All three are empty where nothing was resampled. `identification` is of the test split alone, and so is
    `float_gallery`: the same searches of an int8 file in galleries that the float network enrolled.
    """

    split: Split
    images: int
    identities: int | None
    genuine_pairs: int
    impostor_pairs: int
    far_floor: float
    auc: float
    eer: float
    accuracy: float
    accuracy_pairs: int
    tar_at_far: Mapping[str, float | None]
    roc: RocGrid
    target_far: float
    threshold: float | None
    realised_far: float | None
    realised_tar: float | None
    groups: tuple[GroupRates, ...] = ()
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    replicates: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    resampling: str = ""
    identification: tuple[IdentificationRates, ...] = ()
    float_gallery: tuple[IdentificationRates, ...] = ()


@dataclass(frozen=True)
class TensorScale:
    """Affine quantisation of a file's input or output: real = scale * (q - zero_point)."""

    dtype: str
    scale: float
    zero_point: int


@dataclass(frozen=True)
class Arena:
    """The memory of TensorFlow Lite Micro's interpreter: what it keeps for good, and the tensors of one inference."""

    total_bytes: int
    persistent_bytes: int
    activation_bytes: int


@dataclass(frozen=True)
class ModelFile:
    """A .tflite file as read back from disk, names and metadata stripped.

    `converted_bytes` is its size before that. `arena` was measured in TensorFlow Lite Micro's interpreter on this
    64-bit machine; None where that interpreter is not to be had.
    """

    path: str
    size_bytes: int
    converted_bytes: int
    sha256: str
    input: TensorScale
    output: TensorScale
    embedding: int
    operators: Mapping[str, int]
    arena: Arena | None = None


@dataclass(frozen=True)
class LayerHealth:
    """One layer of an int8 file against the same layer of the float32 file; see `facerec_core.health`.

    `sqnr_db` is the signal-to-quantisation-noise ratio, None where signal or noise is zero throughout. `fitted` says
    that the channels were first brought to the float network's scale, each by a factor from least squares.
    """

    layer: str
    sqnr_db: float | None
    fitted: bool = False


@dataclass(frozen=True)
class QuantisationHealth:
    """Every layer of an int8 file in order, the last one being the fingerprint, over so many validation images."""

    images: int
    layers: tuple[LayerHealth, ...]

    @property
    def fingerprint_db(self) -> float | None:
        """SQNR of the fingerprint."""
        return self.layers[-1].sqnr_db

    def worst(self, count: int = 1) -> tuple[LayerHealth, ...]:
        """The layers with the lowest SQNR, lowest first."""
        known = [layer for layer in self.layers if layer.sqnr_db is not None]
        return tuple(sorted(known, key=lambda layer: layer.sqnr_db or 0.0)[:count])


@dataclass(frozen=True)
class VariantRecord:
    """One numeric scheme of a trained candidate, evaluated through its own file.

    `health` compares an int8 file with the float32 one; None where it was not looked at, and for what is not int8.
    """

    scheme: Scheme
    file: ModelFile
    kernels: Literal["fast", "reference"]
    validation: Evaluation
    test: Evaluation
    health: QuantisationHealth | None = None


@dataclass(frozen=True)
class CurvePoint:
    """One epoch of one training phase."""

    phase: Literal["train", "finetune", "qat", "control"]
    epoch: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Failure:
    """Why a candidate has no result: the stage, one line, and the traceback for the developer."""

    stage: str
    message: str
    traceback: str


@dataclass(frozen=True)
class RunRecord:
    """All that is known of a candidate; tracker and report see only this. `command` is what carried it through."""

    key: str
    status: Status
    candidate: Candidate
    seed: int
    cost: Cost
    latency: Latency
    feasibility: Feasibility
    config: Mapping[str, object]
    versions: Mapping[str, str]
    git_commit: str | None
    started_unix: float
    ended_unix: float
    data: DataSummary | None = None
    variants: tuple[VariantRecord, ...] = ()
    curves: tuple[CurvePoint, ...] = ()
    calibration_images: tuple[str, ...] = ()
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    failure: Failure | None = None
    warnings: tuple[str, ...] = ()
    command: str = ""


@dataclass(frozen=True)
class Progress:
    """A sign of life from a running candidate; `total` 0 means the length is not known.

    `value` is the validation TAR at the target FAR of the float network after `epoch` (from 1); None in between. One
    that `stays` tells of an event nobody may miss, and is shown however soon the next one comes.
    """

    key: str
    stage: str
    done: int
    total: int
    note: str = ""
    epoch: int = 0
    value: float | None = None
    stays: bool = False
