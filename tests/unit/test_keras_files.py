"""Keras' own weight files, read without Keras."""

import io
import json
import zipfile

import h5py
import numpy as np
import pytest

from facerec_core.errors import StorageError
from facerec_core.keras_files import read_keras_arrays
from facerec_core.weights import read_arrays

KERNEL = np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4)
GAMMA = np.arange(4, dtype=np.float32)


def write_h5(path, root=""):
    with h5py.File(path, "w") as file:
        layers = file.create_group(root) if root else file
        layers.attrs["layer_names"] = [b"input", b"Conv1", b"bn_Conv1"]
        weights = {"input": {}, "Conv1": {"Conv1/kernel:0": KERNEL}, "bn_Conv1": {"bn_Conv1/gamma:0": GAMMA}}
        for layer, own in weights.items():
            group = layers.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in own]
            for name, array in own.items():
                group[name] = array


def write_keras(path):
    layers = [
        {"class_name": "InputLayer", "config": {"name": "image"}},
        {"class_name": "Conv2D", "config": {"name": "Conv1"}},
        {"class_name": "BatchNormalization", "config": {"name": "bn_Conv1"}},
        {"class_name": "Conv2D", "config": {"name": "Conv_1"}},
    ]
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["layers/conv2d/vars/0"] = KERNEL
        file["layers/batch_normalization/vars/0"] = GAMMA
        file["layers/batch_normalization/vars/1"] = -GAMMA
        file["layers/conv2d_1/vars/0"] = 2 * KERNEL
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"config": {"layers": layers}}))
        archive.writestr("model.weights.h5", stream.getvalue())


@pytest.mark.parametrize("root", ["", "model_weights"])
def test_h5_with_and_without_the_model(tmp_path, root):
    write_h5(tmp_path / "w.h5", root)
    found = read_keras_arrays(tmp_path / "w.h5")
    assert set(found) == {"Conv1__kernel", "bn_Conv1__gamma"}
    assert np.array_equal(found["Conv1__kernel"], KERNEL)


def test_layers_of_one_class_in_a_keras_archive_are_told_apart_by_their_order(tmp_path):
    write_keras(tmp_path / "m.keras")
    found = read_keras_arrays(tmp_path / "m.keras")
    assert set(found) == {"Conv1__kernel", "Conv_1__kernel", "bn_Conv1__gamma", "bn_Conv1__beta"}
    assert np.array_equal(found["Conv_1__kernel"], 2 * KERNEL)
    assert np.array_equal(found["bn_Conv1__beta"], -GAMMA)


def test_weights_come_under_our_names(tmp_path):
    write_keras(tmp_path / "m.keras")
    assert set(read_arrays(tmp_path / "m.keras", "")) == {
        "stem__kernel", "last__kernel", "stem_bn__gamma", "stem_bn__beta",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["m.keras", "m.h5"])
def test_damaged_and_absent_files_are_named_with_what_to_do(tmp_path, name):
    path = tmp_path / name
    with pytest.raises(StorageError, match=rf"{name}: not a readable \.(keras|h5) .*; try another"):
        read_arrays(path, "try another")
    (write_keras if name.endswith("keras") else write_h5)(path)
    whole = path.read_bytes()
    for damaged in (b"", b"garbage", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(StorageError, match="try another"):
            read_arrays(path, "try another")


def test_a_keras_archive_without_weights_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(StorageError, match=r"m\.keras"):
        read_arrays(tmp_path / "m.keras", "")
