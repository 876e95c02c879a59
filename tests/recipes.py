"""The smallest recipe that goes through every stage, and changes to it by dotted name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from facerec_core.options import (
    AugmentOptions,
    DataOptions,
    EvalOptions,
    FinetuneOptions,
    PtqOptions,
    QatOptions,
    QuantOptions,
    Recipe,
    SyntheticOptions,
    TrainOptions,
)

NO_AUGMENTATION = AugmentOptions(
    flip=False, shift=0.0, zoom=0.0, brightness=0.0, contrast=0.0, saturation=0.0, blur=0.0, cutout=0.0,
    downscale=0.0, grey=0.0,
)  # fmt: skip


def changed(options: Any, **changes: Any) -> Any:
    """`options` with fields replaced; `train__loss="softmax"` reaches into `options.train`."""
    for name, value in changes.items():
        head, _, rest = name.partition("__")
        options = replace(options, **{head: changed(getattr(options, head), **{rest: value}) if rest else value})
    return options


def tiny_recipe(**changes: Any) -> Recipe:
    """A few rendered people, one epoch; `changes` as `changed` takes them."""
    people = SyntheticOptions(train_identities=4, train_images=6, eval_identities=4, eval_images=4, difficulty=0.5)
    data = DataOptions(
        kind="synthetic", root=None, train_root=None, pairs=None, annotations=None, view=1, image_size=96, crop=1.0,
        skip_broken=False, min_images=2, skip_small=False, max_image_bytes=1_000_000, validation_fraction=0.2,
        test_fraction=0.2, max_validation_images=None, max_validation_images_each=None, max_test_images=None,
        landmarks=None, train_landmarks=None, groups=None, seed=0, synthetic=people,
    )  # fmt: skip
    train = TrainOptions(
        epochs=1, batch_size=8, learning_rate=2e-3, warmup_epochs=0.0, weight_decay=1e-4, clip_norm=1.0, loss="arcface",
        loss_weight=1.0, margin_epochs=0.0, teacher=None, teacher_weight=1.0, sampling="images",
        label_smoothing=0.0, scale=16.0, margin=0.2, init="none", augment=NO_AUGMENTATION,
        progressive=0.0, ema=0.0, settle_batches=0, validate_epochs=0,
        finetune=FinetuneOptions(epochs=0, learning_rate=1e-3, temperature=0.1),
    )  # fmt: skip
    qat = QatOptions(
        epochs=1, learning_rate=1e-4, scope="all", calibration_batches=3, calibration_decay=0.5,
        freeze_batch_norm=True, equalize=False, rounding="nearest", percentile=100, float_weight=0.0, keep="last",
        control=False, from_scratch=False,
    )  # fmt: skip
    recipe = Recipe(
        data,
        train,
        QuantOptions(PtqOptions(8, equalize=False, rounding="nearest", percentile=100), qat),
        EvalOptions("fast", 8, 2, 40, 4),
        target_far=0.4,
        seed=0,
    )
    return changed(recipe, **changes)
