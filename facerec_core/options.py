"""Everything that can be chosen, as validated frozen dataclasses; `conf/` holds the defaults and a comment a key.

Each class checks itself when it is made and raises OptionError naming the dotted key, so a bad value is
refused the same way from Python and from the command line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from facerec_core.errors import require

WIDTH_RANGE = (0.35, 1.4)
RESOLUTION_RANGE = (96, 224)
RESOLUTION_STEP = 32
MAX_BLUR = 4.0
MAX_DOWNSCALE = 8.0
MAX_AVERAGING = 0.9999
REPLICATES_RANGE = (40, 5000)
LEAST_PERCENTILE, WHOLE = 99.0, 100.0
"""With 40 replicates a 95 % interval ends at the least and the greatest of them."""
MOST_HEALTH_IMAGES = 1000
"""Each is a run of every layer's output through both files; SQNR changes little beyond a few dozen."""
ALIGNABLE = ("folder", "lfw", "celeba")
"""Kinds of data whose images are files that landmarks can be given for."""
ROOTS = {
    "folder": "a folder or .zip with one folder an identity",
    "lfw": "a folder, .zip or .tgz with one folder an identity",
    "celeba": "the folder of CelebA, or img_align_celeba.zip",
    "verification": "a .bin file of face pairs",
}
"""What `data.root` has to be, by kind; the others have none."""


def _positive(key: str, value: float) -> None:
    require(math.isfinite(value) and value > 0, key, value, "a finite number above 0")


def _at_least(key: str, value: float, low: float) -> None:
    require(math.isfinite(value) and value >= low, key, value, f"a finite number of at least {low}")


def _within(key: str, value: float, low: float, high: float) -> None:
    require(math.isfinite(value) and low <= value <= high, key, value, f"{low} to {high}")


@dataclass(frozen=True)
class SyntheticOptions:
    """How many procedurally rendered people, and how different the images of one person are."""

    train_identities: int
    train_images: int
    eval_identities: int
    eval_images: int
    difficulty: float

    def __post_init__(self) -> None:
        _at_least("data.synthetic.train_identities", self.train_identities, 2)
        _at_least("data.synthetic.train_images", self.train_images, 2)
        _at_least("data.synthetic.eval_identities", self.eval_identities, 4)
        _at_least("data.synthetic.eval_images", self.eval_images, 2)
        _within("data.synthetic.difficulty", self.difficulty, 0.0, 2.0)


@dataclass(frozen=True)
class DataOptions:
    """Where faces come from and how they are split by identity."""

    kind: Literal["synthetic", "folder", "lfw", "celeba", "verification"]
    root: str | None
    train_root: str | None
    pairs: str | None
    annotations: str | None
    view: int
    image_size: int
    crop: float
    skip_broken: bool
    min_images: int
    skip_small: bool
    max_image_bytes: int
    validation_fraction: float
    test_fraction: float
    max_validation_images: int | None
    max_validation_images_each: int | None
    max_test_images: int | None
    landmarks: str | None
    train_landmarks: str | None
    groups: str | None
    seed: int
    synthetic: SyntheticOptions

    def __post_init__(self) -> None:
        require(
            self.root is not None or self.kind not in ROOTS,
            "data.root",
            None,
            ROOTS.get(self.kind, "null"),
            "set data.root=PATH",
        )
        _within("data.image_size", self.image_size, 32, 512)
        _within("data.crop", self.crop, 0.1, 1.0)
        _at_least("data.min_images", self.min_images, 1)
        _at_least("data.max_image_bytes", self.max_image_bytes, 1)
        _within("data.validation_fraction", self.validation_fraction, 0.01, 0.8)
        _within("data.test_fraction", self.test_fraction, 0.01, 0.8)
        require(
            self.validation_fraction + self.test_fraction < 0.95,
            "data.test_fraction",
            self.test_fraction,
            "validation_fraction + test_fraction below 0.95, so that identities remain to train on",
        )
        for name in ("max_validation_images", "max_test_images"):
            value = getattr(self, name)
            if value is not None:
                _at_least(f"data.{name}", value, 4)
        if self.max_validation_images_each is not None:
            _at_least("data.max_validation_images_each", self.max_validation_images_each, 2)
        self._check_protocol()
        self._check_landmarks()
        _at_least("data.seed", self.seed, 0)

    def _check_protocol(self) -> None:
        """Refuse what the chosen kind cannot use, and protocols that leave nobody to train on honestly."""
        key, value, kind = "data.max_test_images", self.max_test_images, self.kind
        fixed = kind not in ("folder", "celeba") or self.pairs is not None
        require(
            value is None or not fixed, key, value, f"null with data={kind} or data.pairs: the test images are fixed"
        )
        in_use = kind == "celeba" or (kind != "synthetic" and self.train_root is not None)
        allowed = "null without data=celeba and without data.train_root"
        require(self.annotations is None or in_use, "data.annotations", self.annotations, allowed)
        key, value = "data.view", self.view
        require(value in (1, 2), key, value, "1 or 2")
        require(value == 1 or kind == "lfw", key, value, f"1 with data={kind}")
        allowed = "1 without data.train_root: whoever View 2 tests may neither train nor validate"
        hint = "set data.train_root=PATH to faces of other people"
        require(value == 1 or self.train_root is not None, key, value, allowed, hint)
        if kind in ("celeba", "verification"):
            require(self.pairs is None, "data.pairs", self.pairs, f"null with data={kind}")
        if kind == "verification":
            allowed = "faces to train on: pairs without names train nobody"
            require(self.train_root is not None, "data.train_root", None, allowed, "set data.train_root=PATH")
            allowed = f"null with data={kind}, whose people have no names"
            require(self.groups is None, "data.groups", self.groups, allowed)

    def _check_landmarks(self) -> None:
        key, value = "data.landmarks", self.landmarks
        require(value is None or self.kind in ALIGNABLE, key, value, f"null with data={self.kind}")
        key, value = "data.train_landmarks", self.train_landmarks
        has_both = self.landmarks is not None and self.train_root is not None
        require(value is None or has_both, key, value, "null without data.landmarks and data.train_root")


@dataclass(frozen=True)
class AugmentOptions:
    """Random changes to training images.

    Each is a half-range around "no change", but for four: `blur` is the largest standard deviation of a Gaussian, in
    pixels at a side of 96, `cutout` the largest side of a grey rectangle as a share of the image's, `downscale` the
    largest factor an image is made smaller by before it is brought back to its size, and `grey` a probability.
    """

    flip: bool
    shift: float
    zoom: float
    brightness: float
    contrast: float
    saturation: float
    blur: float
    cutout: float
    downscale: float
    grey: float

    def __post_init__(self) -> None:
        _within("train.augment.shift", self.shift, 0.0, 0.5)
        _within("train.augment.blur", self.blur, 0.0, MAX_BLUR)
        _within("train.augment.cutout", self.cutout, 0.0, 0.9)
        key, value = "train.augment.downscale", self.downscale
        require(value == 0.0 or 1.0 <= value <= MAX_DOWNSCALE, key, value, f"0, or 1 to {MAX_DOWNSCALE:g}")
        _within("train.augment.grey", self.grey, 0.0, 1.0)
        for name in ("zoom", "brightness", "contrast", "saturation"):
            _within(f"train.augment.{name}", getattr(self, name), 0.0, 0.9)


@dataclass(frozen=True)
class FinetuneOptions:
    """Further training of the headless network, its weights kept, on its own fingerprints."""

    epochs: int
    learning_rate: float
    temperature: float

    def __post_init__(self) -> None:
        _at_least("train.finetune.epochs", self.epochs, 0)
        _positive("train.finetune.learning_rate", self.learning_rate)
        _positive("train.finetune.temperature", self.temperature)


@dataclass(frozen=True)
class TrainOptions:
    """The float recipe."""

    epochs: int
    batch_size: int
    learning_rate: float
    warmup_epochs: float
    weight_decay: float
    clip_norm: float
    loss: Literal["softmax", "arcface", "cosface", "none"]
    loss_weight: float
    label_smoothing: float
    scale: float
    margin: float
    margin_epochs: float
    teacher: str | None
    teacher_weight: float
    sampling: Literal["images", "identities"]
    init: str
    progressive: float
    ema: float
    settle_batches: int
    validate_epochs: int
    augment: AugmentOptions
    finetune: FinetuneOptions

    def __post_init__(self) -> None:
        _at_least("train.epochs", self.epochs, 1)
        _at_least("train.batch_size", self.batch_size, 2)
        _positive("train.learning_rate", self.learning_rate)
        _at_least("train.warmup_epochs", self.warmup_epochs, 0)
        _at_least("train.weight_decay", self.weight_decay, 0)
        _positive("train.clip_norm", self.clip_norm)
        _within("train.label_smoothing", self.label_smoothing, 0.0, 0.9)
        _positive("train.scale", self.scale)
        _within("train.margin", self.margin, 0.0, 1.5)
        _at_least("train.margin_epochs", self.margin_epochs, 0)
        _positive("train.loss_weight", self.loss_weight)
        _positive("train.teacher_weight", self.teacher_weight)
        taught = self.loss != "none" or self.teacher is not None
        require(taught, "train.loss", self.loss, "softmax, arcface or cosface; none only with train.teacher=FILE")
        require(bool(self.init), "train.init", self.init, "none, imagenet, a file of weights, slice:FILE or grow:FILE")
        _within("train.progressive", self.progressive, 0.0, 0.9)
        _within("train.ema", self.ema, 0.0, MAX_AVERAGING)
        _at_least("train.settle_batches", self.settle_batches, 0)
        _at_least("train.validate_epochs", self.validate_epochs, 0)


Rounding = Literal["nearest", "adaptive"]


@dataclass(frozen=True)
class PtqOptions:
    """Post-training quantisation; `percentile` of an activation's values ends its range, WHOLE takes them all."""

    calibration_images: int
    equalize: bool
    rounding: Rounding
    percentile: float

    def __post_init__(self) -> None:
        _at_least("quant.ptq.calibration_images", self.calibration_images, 8)
        _within("quant.ptq.percentile", self.percentile, LEAST_PERCENTILE, WHOLE)


@dataclass(frozen=True)
class QatOptions:
    """Quantisation-aware training; `scope` is "all" or how many of the last blocks learn, `percentile` as for PTQ.

    With `keep` "best" the file is that of the calibrated network where validation prefers it to the trained one.
    """

    epochs: int
    learning_rate: float
    scope: int | Literal["all"]
    calibration_batches: int
    calibration_decay: float
    freeze_batch_norm: bool
    equalize: bool
    rounding: Rounding
    percentile: float
    float_weight: float
    keep: Literal["last", "best"]
    control: bool
    from_scratch: bool

    def __post_init__(self) -> None:
        _at_least("quant.qat.epochs", self.epochs, 0)
        _positive("quant.qat.learning_rate", self.learning_rate)
        if self.scope != "all":
            _within("quant.qat.scope", self.scope, 1, 17)
        _at_least("quant.qat.calibration_batches", self.calibration_batches, 1)
        _within("quant.qat.calibration_decay", self.calibration_decay, 0.01, 0.999)
        _within("quant.qat.percentile", self.percentile, LEAST_PERCENTILE, WHOLE)
        _at_least("quant.qat.float_weight", self.float_weight, 0.0)


@dataclass(frozen=True)
class QuantOptions:
    """Both int8 schemes."""

    ptq: PtqOptions
    qat: QatOptions


@dataclass(frozen=True)
class EvalOptions:
    """How a variant's file is judged.

    `replicates` are those of the bootstrap, `health_images` those that compare an int8 file's layers with the float
    ones; 0 for none.
    """

    kernels: Literal["fast", "reference"]
    batch_size: int
    folds: int
    replicates: int
    health_images: int

    def __post_init__(self) -> None:
        _at_least("eval.batch_size", self.batch_size, 1)
        _within("eval.health_images", self.health_images, 0, MOST_HEALTH_IMAGES)
        _within("eval.folds", self.folds, 2, 100)
        low, high = REPLICATES_RANGE
        enough = self.replicates == 0 or low <= self.replicates <= high
        require(enough, "eval.replicates", self.replicates, f"0 for no intervals, or {low} to {high}")


@dataclass(frozen=True)
class Recipe:
    """What decides a candidate's result besides its architecture."""

    data: DataOptions
    train: TrainOptions
    quant: QuantOptions
    eval: EvalOptions
    target_far: float
    seed: int

    def __post_init__(self) -> None:
        _within("target_far", self.target_far, 1e-6, 0.5)
        _at_least("seed", self.seed, 0)


@dataclass(frozen=True)
class LatencyBudget:
    """The time limit and how an uncertain latency is judged against it."""

    limit_ms: float | None
    judge: Literal["upper", "central", "measured_only"]

    def __post_init__(self) -> None:
        if self.limit_ms is not None:
            _positive("budget.latency.limit_ms", self.limit_ms)


@dataclass(frozen=True)
class Budget:
    """The limits; None switches one off."""

    parameter_bytes: int | None
    file_bytes: int | None
    activation_bytes: int | None
    latency: LatencyBudget

    def __post_init__(self) -> None:
        for name in ("parameter_bytes", "file_bytes", "activation_bytes"):
            value = getattr(self, name)
            if value is not None:
                _positive(f"budget.{name}", value)


def check_width(width: float) -> float:
    """Return `width` rounded to four decimals (range() leaves 0.30000000000000004), or raise OptionError."""
    low, high = WIDTH_RANGE
    hint = "published widths: 0.35, 0.5, 0.75, 1.0, 1.3, 1.4"
    require(math.isfinite(width) and low <= width <= high, "width", width, f"{low} to {high}", hint)
    return round(width, 4)


def check_resolution(resolution: int) -> int:
    """Return `resolution`, or raise OptionError when it is off the grid."""
    low, high = RESOLUTION_RANGE
    grid = range(low, high + 1, RESOLUTION_STEP)
    require(resolution in grid, "res", resolution, ", ".join(map(str, grid)))
    return resolution
