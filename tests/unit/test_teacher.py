"""A teacher's fingerprints: from a file by name, or from a network."""

import numpy as np
import pytest

from facerec_core.data.records import FaceSet
from facerec_core.errors import DataError, OptionError, StorageError
from facerec_core.teacher import teacher_identity, teacher_vectors
from tests.tiny_tflite import mean_colour_tflite

NAMES = ("Ada/0001.jpg", "Ada/0002.jpg", "Alan/0001.jpg")
VECTORS = np.array([[3.0, 4.0], [0.0, -2.0], [1.0, 0.0]], np.float16)


@pytest.fixture
def faces():
    images = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    return FaceSet(images, np.array([0, 0, 1]), NAMES, ("Ada", "Alan"))


def write(path, names=NAMES, vectors=VECTORS, **more):
    np.savez(path, names=np.array(names), embeddings=vectors, **more)
    return str(path)


def vectors_of(file, faces):
    return teacher_vectors(file, faces, lambda resolution: faces)


def test_fingerprints_are_looked_up_by_name_and_have_length_one(tmp_path, faces):
    order = [2, 0, 1]
    file = write(tmp_path / "t.npz", [f"faces/{NAMES[i]}" for i in order] + ["faces/Eve/1.jpg"], VECTORS[[*order, 0]])
    found = vectors_of(file, faces)
    assert found.dtype == np.float32
    assert np.allclose(found, [[0.6, 0.8], [0.0, -1.0], [1.0, 0.0]], atol=1e-3)


def test_a_network_is_run_on_the_images_at_its_own_resolution(tmp_path, faces):
    path = tmp_path / "teacher.tflite"
    path.write_bytes(mean_colour_tflite(4))
    asked = []
    found = teacher_vectors(str(path), faces, lambda resolution: asked.append(resolution) or faces)
    assert asked == [4]
    expected = faces.images.astype(np.float64).mean((1, 2)) / 127.5 - 1
    assert np.allclose(found, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-5)


def test_the_identity_is_the_content(tmp_path):
    first, second = write(tmp_path / "a.npz"), write(tmp_path / "b.npz", vectors=VECTORS * 2)
    (tmp_path / "c.npz").write_bytes((tmp_path / "a.npz").read_bytes())
    assert teacher_identity(None) is None
    assert teacher_identity(first) == teacher_identity(str(tmp_path / "c.npz")) != teacher_identity(second)


@pytest.mark.parametrize(
    ("names", "vectors", "message"),
    [
        (NAMES[:2], VECTORS[:2], "no fingerprint of 1 of 3 training images, such as Alan/0001.jpg"),
        ((*NAMES, "other/Ada/0001.jpg"), VECTORS[[0, 1, 2, 0]], "names Ada/0001.jpg twice"),
        (NAMES, VECTORS * [[1], [0], [1]], "zero or not finite"),
        (NAMES, np.where(VECTORS == 3, np.nan, VECTORS), "zero or not finite"),
    ],
)
def test_fingerprints_that_cannot_be_used_are_named(tmp_path, faces, names, vectors, message):
    with pytest.raises(DataError, match=message):
        vectors_of(write(tmp_path / "t.npz", names, vectors), faces)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"embeddings": VECTORS}, "it holds embeddings"),
        ({"names": np.array(NAMES), "embeddings": VECTORS[:2]}, r"names \(3,\) and embeddings \(2, 2\)"),
        ({"names": np.arange(3), "embeddings": VECTORS}, "names .m. of text"),
        ({"names": np.array(NAMES), "embeddings": VECTORS[:, 0]}, "embeddings .m, t."),
    ],
)
def test_files_of_another_form_are_refused(tmp_path, faces, arrays, message):
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(OptionError, match=message):
        vectors_of(str(tmp_path / "t.npz"), faces)


def test_pickles_are_not_read(tmp_path, faces):
    np.savez(tmp_path / "t.npz", names=np.array(NAMES, dtype=object), embeddings=VECTORS)
    with pytest.raises(OptionError, match="it cannot be read"):
        vectors_of(str(tmp_path / "t.npz"), faces)


def test_damaged_and_absent_files_are_named(tmp_path, faces):
    (tmp_path / "cut.npz").write_bytes((tmp_path / write(tmp_path / "t.npz")).read_bytes()[:100])
    with pytest.raises(OptionError, match="it cannot be read"):
        vectors_of(str(tmp_path / "cut.npz"), faces)
    (tmp_path / "cut.tflite").write_bytes(b"TFL3")
    with pytest.raises(StorageError, match=r"cut\.tflite"):
        vectors_of(str(tmp_path / "cut.tflite"), faces)
    for absent in ("absent.npz", "absent.tflite"):
        with pytest.raises(OptionError, match="No such file"):
            teacher_identity(str(tmp_path / absent))
    with pytest.raises(OptionError, match=r"train.teacher: got 'weights.h5'"):
        teacher_identity("weights.h5")
