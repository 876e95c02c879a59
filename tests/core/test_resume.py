"""Training that is interrupted and goes on ends with the same bits as training that was not."""

import numpy as np
import pytest

from facerec_core.checkpoint import Checkpoint, Journal
from facerec_core.data.records import FaceSet
from facerec_core.quantize import float_control, quantization_aware
from facerec_core.tf import configure
from facerec_core.train import Validation, train_float
from facerec_core.types import Candidate
from tests.core.conftest import silent
from tests.recipes import changed, tiny_recipe

pytestmark = pytest.mark.slow
CANDIDATE = Candidate(0.35, 96, 32)
RECIPE = tiny_recipe(
    train__epochs=3, train__batch_size=16, train__finetune__epochs=1, train__ema=0.8, train__progressive=0.4,
    train__settle_batches=2, train__margin_epochs=1.5, train__warmup_epochs=0.5, train__validate_epochs=2,
    train__sampling="identities", train__augment__flip=True, train__augment__shift=0.05,
    train__augment__downscale=2.0, train__augment__grey=0.3,
    quant__qat__epochs=2, quant__qat__calibration_batches=2, quant__qat__freeze_batch_norm=False,
)  # fmt: skip


class InterruptedHereError(Exception):
    """Stands for whatever ends a process after an epoch."""


def interrupt(curves):
    raise InterruptedHereError


def with_interruptions(train, path):
    """Start anew after every epoch until the end; what came out, and after how many starts."""
    starts = 0
    while True:
        starts += 1
        configure(1, 0)
        said = []
        try:
            return train(Journal(Checkpoint(path, "key", said.append), interrupt)), starts, said
        except InterruptedHereError:
            continue


def small(faces):
    """The faces at the resolution that the first epochs are trained at."""
    return lambda side: FaceSet(faces.images[:, :side, :side].copy(), faces.labels, faces.names, faces.identities)


def float_training(faces, recipe=RECIPE):
    validation = Validation(faces.images[:8], lambda fingerprints: float(np.abs(fingerprints).sum()))

    def train(journal=None):
        return train_float(
            CANDIDATE, faces, recipe.train, 0, silent, faces_at=small(faces), journal=journal, validation=validation
        )

    return train


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)


@pytest.fixture(scope="module")
def undisturbed(faces):
    configure(1, 0)
    return float_training(faces)()


def test_a_float_training_interrupted_after_every_epoch_ends_with_the_same_bits(faces, undisturbed, tmp_path):
    resumed, starts, said = with_interruptions(float_training(faces), tmp_path / ".resume-float-key.npz")
    assert starts == 5, "three epochs, one of fine-tuning, and the end"
    assert said == ["going on after epoch 1 of finetune"]
    assert resumed.curves == undisturbed.curves
    assert same(resumed.arrays, undisturbed.arrays)


def test_the_validation_figure_is_in_the_curve_of_the_epochs_it_was_asked_for(undisturbed):
    measured = [(point.phase, point.epoch) for point in undisturbed.curves if "validation_tar" in point.metrics]
    assert measured == [("train", 2)]


def test_looking_at_the_validation_split_changes_no_weight(faces, undisturbed):
    configure(1, 0)
    unseen = float_training(faces, changed(RECIPE, train__validate_epochs=0))()
    assert same(unseen.arrays, undisturbed.arrays)
    assert not any("validation_tar" in point.metrics for point in unseen.curves)


@pytest.mark.parametrize("stage", [quantization_aware, float_control])
def test_qat_and_control_interrupted_after_every_epoch_make_the_same_file(faces, undisturbed, tmp_path, stage):
    recipe = changed(RECIPE, train__finetune__epochs=0)

    def train(journal=None):
        return stage(CANDIDATE, undisturbed.arrays, faces, recipe, silent, None, journal)

    configure(1, 0)
    expected = train()
    resumed, starts, _ = with_interruptions(train, tmp_path / ".resume-stage-key.npz")
    assert starts == 3
    assert resumed.curves == expected.curves
    assert resumed.content == expected.content


def test_where_validation_prefers_the_network_before_it_was_trained_that_is_kept_also_after_interruptions(
    faces, undisturbed, tmp_path
):
    recipe, seen = changed(RECIPE, train__finetune__epochs=0, quant__qat__keep="best"), []

    def train(journal=None):
        def rate(content):
            seen.append(content)
            return 0.5 if len(seen) % 2 else 0.4

        return quantization_aware(CANDIDATE, undisturbed.arrays, faces, recipe, silent, None, journal, None, rate)

    configure(1, 0)
    kept = train()
    before, trained = seen
    assert kept.content == before != trained
    measured = [(point.phase, point.epoch, point.metrics.get("validation_tar")) for point in kept.curves]
    assert measured == [("qat", 0, 0.5), ("qat", 1, None), ("qat", 2, 0.4)]
    resumed, starts, _ = with_interruptions(train, tmp_path / ".resume-qat-key.npz")
    assert (starts, resumed) == (3, kept)
    assert seen[2:] == [before, trained]


def test_a_damaged_checkpoint_is_discarded_and_the_stage_begins_anew(faces, tmp_path):
    path, said, recipe = tmp_path / ".resume-float-key.npz", [], changed(RECIPE, train__progressive=0.0)
    with pytest.raises(InterruptedHereError):
        float_training(faces, recipe)(Journal(Checkpoint(path, "key", said.append), interrupt))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    journal = Journal(Checkpoint(path, "key", said.append))
    assert not journal.goes_on
    assert not path.exists()
    assert "damaged" in said[-1]
    assert "starting from the first epoch" in said[-1]
