import dataclasses

import numpy as np
import pytest

from facerec_core.data.records import FaceSet
from facerec_core.errors import DataError, OptionError, StorageError, TrainingError
from facerec_core.model import build_network
from facerec_core.train import lower_resolution, train_float, with_input
from facerec_core.types import Candidate
from facerec_core.weights import write_arrays
from tests.core.conftest import silent
from tests.recipes import tiny_recipe

pytestmark = pytest.mark.slow
CANDIDATE = Candidate(0.35, 96, 32)


def train(faces, seed=0, report=silent, **changes):
    changes = {f"train__{name}": value for name, value in changes.items()}
    return train_float(CANDIDATE, faces, tiny_recipe(**changes).train, seed, report)


@pytest.fixture(scope="module")
def trained(faces):
    """Four epochs, then two of fine-tuning, with every report that was made on the way."""
    from facerec_core.tf import configure

    configure(1, 0)
    reports = []
    changes = {"epochs": 4, "finetune__epochs": 2, "label_smoothing": 0.1}
    return train(faces, report=lambda *seen: reports.append(seen), **changes), reports


def phase(trained, name):
    return [point for point in trained.curves if point.phase == name]


def test_the_loss_falls_and_the_identities_are_learnt(trained):
    curve = phase(trained[0], "train")
    assert [point.epoch for point in curve] == [1, 2, 3, 4]
    assert curve[-1].metrics["loss"] < curve[0].metrics["loss"]
    assert curve[-1].metrics["accuracy"] > max(0.5, curve[0].metrics["accuracy"])


def test_fine_tuning_lowers_its_own_loss_and_has_no_accuracy(trained):
    first, last = phase(trained[0], "finetune")
    assert last.metrics["loss"] < first.metrics["loss"]
    assert set(first.metrics) == {"loss"}


def test_every_step_is_reported(trained):
    steps = [(done, total) for done, total, _ in trained[1]]
    assert steps == [(step, 16) for step in range(1, 17)] + [(step, 8) for step in range(1, 9)]
    assert trained[1][0][2].startswith("loss ")


def test_the_head_is_among_the_arrays(trained):
    arrays = trained[0].arrays
    assert arrays["head__kernel"].shape == (32, 4)
    assert arrays["last__kernel"].shape[-1] == 32
    assert all(np.isfinite(array).all() for array in arrays.values())


def test_the_same_seed_gives_the_same_weights_to_the_bit_and_another_seed_others(faces):
    from facerec_core.tf import configure

    def weights(seed):
        configure(1, seed)
        return train(faces, seed).arrays

    first, again, other = weights(0), weights(0), weights(1)
    assert all(np.array_equal(array, again[key]) for key, array in first.items())
    assert not np.array_equal(first["stem__kernel"], other["stem__kernel"])


def test_fine_tuning_starts_from_the_trained_weights_and_keeps_the_head(faces):
    without = train(faces).arrays
    tuned = _again(faces, finetune__epochs=1, finetune__learning_rate=1e-4).arrays
    assert {key: array.shape for key, array in tuned.items()} == {key: array.shape for key, array in without.items()}
    assert np.array_equal(tuned["head__kernel"], without["head__kernel"])
    moved = np.abs(tuned["stem__kernel"] - without["stem__kernel"]).max()
    assert 0 < moved < 1e-2


def _again(faces, **changes):
    from facerec_core.tf import configure

    configure(1, 0)
    return train(faces, **changes)


def test_a_loss_that_is_no_number_names_phase_and_step(faces):
    with pytest.raises(TrainingError, match=r"^train: the loss became (nan|inf) at step \d+ of 20; lower"):
        train(faces, learning_rate=1e30, epochs=5)


def test_weights_that_the_last_step_ruined_are_noticed(faces):
    with pytest.raises(TrainingError, match=r"^train: a weight is no finite number after the last step"):
        train(faces, learning_rate=1e38, weight_decay=1e10, batch_size=32)


def test_initial_weights_are_where_training_starts(faces, trained, tmp_path):
    path = tmp_path / "init.npz"
    write_arrays(path, {key: a for key, a in trained[0].arrays.items() if not key.startswith("head")})
    started = train(faces, init=str(path), learning_rate=1e-12, batch_size=32).arrays
    assert np.allclose(started["stem__kernel"], trained[0].arrays["stem__kernel"], atol=1e-6)


def test_initial_weights_that_do_not_fit_or_cannot_be_read_are_refused(faces, trained, tmp_path):
    path = tmp_path / "init.npz"
    write_arrays(path, {**trained[0].arrays, "stem__kernel": np.zeros((3, 3, 3, 24), np.float32)})
    with pytest.raises(OptionError, match=r"train\.init.*stem__kernel"):
        train(faces, init=str(path))
    path.write_bytes(b"")
    with pytest.raises(StorageError, match=r"init\.npz.*train\.init=none"):
        train(faces, init=str(path))


def test_fine_tuning_without_two_images_of_anyone_is_refused(faces):
    alone = dataclasses.replace(faces, images=faces.images[:4], labels=faces.labels[:4])
    with pytest.raises(DataError, match=r"no identity has two training images.*train\.finetune\.epochs=0"):
        train(alone, finetune__epochs=1)


@pytest.mark.parametrize(("side", "lower"), [(96, 64), (128, 96), (160, 96), (192, 128), (224, 160)])
def test_the_lower_resolution_is_on_the_grid_and_at_most_three_quarters(side, lower):
    assert lower_resolution(side) == lower


def test_a_network_for_smaller_images_has_the_very_same_weights():
    network = build_network(CANDIDATE)
    smaller = with_input(network, 64)
    assert smaller.input_shape == (None, 64, 64, 3)
    assert [id(weight) for weight in smaller.weights] == [id(weight) for weight in network.weights]
    network.get_layer("stem").kernel.assign_add(np.ones((3, 3, 3, 16), np.float32))
    rebuilt = build_network(dataclasses.replace(CANDIDATE, resolution=64))
    rebuilt.set_weights(network.get_weights())
    image = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)
    assert np.allclose(smaller(image), rebuilt(image), atol=1e-5)


def test_the_first_epochs_see_the_smaller_faces_and_one_schedule_goes_through(faces):
    asked, reports = [], []

    def at(side):
        asked.append(side)
        return FaceSet(faces.images[:, :side, :side].copy(), faces.labels, faces.names, faces.identities)

    recipe = tiny_recipe(train__epochs=2, train__progressive=0.5, train__batch_size=16).train
    found = train_float(CANDIDATE, faces, recipe, 0, lambda *seen: reports.append(seen[:2]), faces_at=at)
    assert asked == [64]
    assert reports == [(step, 4) for step in range(1, 5)]
    assert [(point.phase, point.epoch) for point in found.curves] == [("train", 1), ("train", 2)]
    assert np.isfinite(found.arrays["stem__kernel"]).all()


def test_averaged_weights_are_what_is_kept(faces):
    plain = _again(faces, batch_size=16).arrays
    averaged = _again(faces, batch_size=16, ema=0.9).arrays
    assert not np.array_equal(plain["stem__kernel"], averaged["stem__kernel"])
    statistics = [key for key in plain if "moving" in key]
    assert statistics
    assert all(np.array_equal(plain[key], averaged[key]) for key in statistics)
