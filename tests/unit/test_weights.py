import zipfile

import numpy as np
import pytest

from facerec_core.errors import OptionError, StorageError
from facerec_core.weights import assign, read_arrays, to_arrays, write_arrays

HINT = "set train.init=none"


class Weight:
    def __init__(self, name, array):
        self.name, self.array = f"{name}:0", np.asarray(array, np.float32)

    def numpy(self):
        return self.array


class Layer:
    """As much of a Keras layer as naming and setting weights takes."""

    def __init__(self, name, **weights):
        self.name = name
        self.weights = [Weight(f"{name}/{key}", array) for key, array in weights.items()]

    def set_weights(self, arrays):
        for weight, array in zip(self.weights, arrays, strict=True):
            weight.array = array


class Model:
    def __init__(self, *layers):
        self.layers = list(layers)


def model(channels=4, fill=0.0):
    gamma, beta = np.full(channels, fill + 1), np.full(channels, fill + 2)
    return Model(
        Layer("image"),
        Layer("stem", kernel=np.full((3, 3, 3, channels), fill)),
        Layer("stem_bn", gamma=gamma, beta=beta),
    )


def written(tmp_path, **arrays):
    path = tmp_path / "weights.npz"
    np.savez(path, **arrays)
    return path


def test_arrays_are_named_by_layer_and_weight():
    assert sorted(to_arrays(model())) == ["stem__kernel", "stem_bn__beta", "stem_bn__gamma"]


def test_weights_come_back_from_their_file(tmp_path):
    source, target = model(fill=7.0), model()
    write_arrays(tmp_path / "weights.npz", to_arrays(source))
    assign(target, read_arrays(tmp_path / "weights.npz", HINT), "weights.npz")
    assert all(np.array_equal(array, to_arrays(source)[key]) for key, array in to_arrays(target).items())


def test_the_names_of_keras_become_ours(tmp_path):
    names = {
        "Conv1__kernel": "stem__kernel",
        "bn_Conv1__gamma": "stem_bn__gamma",
        "expanded_conv_depthwise__depthwise_kernel": "block0_depthwise__depthwise_kernel",
        "expanded_conv_project_BN__moving_mean": "block0_project_bn__moving_mean",
        "block_1_expand__kernel": "block1_expand__kernel",
        "block_16_depthwise_BN__beta": "block16_depthwise_bn__beta",
        "Conv_1__kernel": "last__kernel",
        "Conv_1_bn__moving_variance": "last_bn__moving_variance",
    }
    path = written(tmp_path, **dict.fromkeys(names, np.zeros(1)))
    assert sorted(read_arrays(path, HINT)) == sorted(names.values())


def test_arrays_that_the_network_does_not_have_are_ignored():
    target = model()
    assign(target, {**to_arrays(model(fill=3.0)), "head__kernel": np.zeros(9)}, "x")
    assert to_arrays(target)["stem__kernel"].max() == 3.0


def test_another_width_names_the_layers_and_changes_nothing():
    target = model()
    with pytest.raises(
        OptionError, match=r"^train\.init: got 'x\.npz'.*stem__kernel \(3, 3, 3, 8\) for \(3, 3, 3, 4\)"
    ):
        assign(target, to_arrays(model(8, fill=5.0)), "x.npz")
    assert to_arrays(target)["stem__kernel"].max() == 0.0


def test_many_differing_layers_are_cut_short_and_missing_ones_said():
    with pytest.raises(OptionError, match="stem_bn__beta missing"):
        assign(model(), {key: a for key, a in to_arrays(model()).items() if key != "stem_bn__beta"}, "x")
    many = Model(*(Layer(f"block{i}_expand", kernel=np.zeros(2)) for i in range(9)))
    with pytest.raises(OptionError, match="and 6 more"):
        assign(many, {}, "x")


def damaged_files():
    def array_in_the_middle(path):
        np.savez_compressed(path, stem__kernel=np.random.default_rng(0).normal(size=1000))
        content = bytearray(path.read_bytes())
        content[200:260] = b"\xff" * 60
        path.write_bytes(content)

    def truncated(path):
        np.savez(path, stem__kernel=np.zeros(1000))
        path.write_bytes(path.read_bytes()[:500])

    def single_array(path):
        with path.open("wb") as stream:
            np.save(stream, np.zeros(3))

    def pickled(path):
        np.savez(path, stem__kernel=np.array([{"a": 1}], object))

    def unnamed(path):
        np.savez(path, np.zeros(3))

    def text_inside(path):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("stem__kernel.npy", "not an array")

    def nothing(path):
        path.write_bytes(b"")

    return [array_in_the_middle, truncated, single_array, pickled, unnamed, text_inside, nothing]


@pytest.mark.parametrize("damage", damaged_files(), ids=lambda damage: damage.__name__)
def test_what_is_no_archive_of_plain_arrays_is_one_line_naming_it(tmp_path, damage):
    path = tmp_path / "weights.npz"
    damage(path)
    with pytest.raises(StorageError, match=rf"weights\.npz: not a readable .npz.*; {HINT}$") as caught:
        read_arrays(path, HINT)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StorageError, match="No such file"):
        read_arrays(tmp_path / "absent.npz", HINT)


def test_the_original_checkpoints_names_are_understood(tmp_path):
    names = {
        "Conv_weights": "stem__kernel",
        "Conv_BatchNorm_moving_mean": "stem_bn__moving_mean",
        "expanded_conv_depthwise_depthwise_weights": "block0_depthwise__depthwise_kernel",
        "expanded_conv_project_BatchNorm_gamma": "block0_project_bn__gamma",
        "expanded_conv_11_expand_weights": "block11_expand__kernel",
        "expanded_conv_3_depthwise_BatchNorm_moving_variance": "block3_depthwise_bn__moving_variance",
        "Conv_1_weights": "last__kernel",
        "Conv_1_BatchNorm_beta": "last_bn__beta",
        "Logits_Conv2d_1c_1x1_biases": "head__Logits_Conv2d_1c_1x1_biases",
    }
    path = written(tmp_path, **{name: np.array([float(i)]) for i, name in enumerate(names)})
    assert read_arrays(path, HINT) == {own: np.array([float(i)]) for i, own in enumerate(names.values())}
