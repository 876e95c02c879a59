"""What every source of faces promises; a new one joins by adding a line to SOURCES."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from facerec_core.data.loader import load_faces, open_source
from tests.image_files import (
    bin_file,
    celeba_files,
    celeba_images,
    crowd,
    lfw_files,
    options,
    people,
    picture,
    view_2_files,
    write_folder,
    write_tar,
    write_zip,
)

_LFW_TRAIN = {f"A{i:02d}": 3 for i in range(16)}
_LFW_TEST = {f"B{i:02d}": 2 for i in range(5)}


def _synthetic(tmp_path):
    return options(kind="synthetic")


def _folder(tmp_path):
    return options(root=str(write_folder(tmp_path / "faces", crowd())))


def _zip(tmp_path):
    return options(root=str(write_zip(tmp_path / "faces.zip", crowd())))


def _train_root(tmp_path):
    train = write_zip(tmp_path / "train.zip", crowd(4, prefix="T"))
    return options(root=str(write_folder(tmp_path / "faces", crowd())), train_root=str(train))


def _lfw(tmp_path):
    write_folder(tmp_path, lfw_files(_LFW_TRAIN, _LFW_TEST))
    root = write_tar(tmp_path / "lfw.tgz", people(_LFW_TRAIN | _LFW_TEST, ".jpg", "lfw/"))
    return options(kind="lfw", root=str(root))


def _lfw_view_2(tmp_path):
    root = write_folder(tmp_path / "lfw", people(_LFW_TRAIN, ".jpg") | view_2_files(_LFW_TRAIN))
    train = write_zip(tmp_path / "train.zip", crowd(20, prefix="T"))
    return options(kind="lfw", view=2, root=str(root), train_root=str(train))


def _celeba(tmp_path):
    return options(kind="celeba", root=str(write_folder(tmp_path / "celeba", celeba_files(celeba_images()))))


def _celeba_for_training(tmp_path):
    train = write_folder(tmp_path / "celeba", celeba_files(celeba_images()))
    return options(root=str(write_folder(tmp_path / "faces", crowd())), train_root=str(train))


def _verification(tmp_path):
    root = bin_file(tmp_path / "pairs.bin", [picture(seed, kind="JPEG") for seed in range(80)], [True, False] * 20)
    train = write_zip(tmp_path / "train.zip", crowd())
    return options(kind="verification", root=str(root), train_root=str(train))


SOURCES = [
    _synthetic,
    _folder,
    _zip,
    _train_root,
    _lfw,
    _lfw_view_2,
    _celeba,
    _celeba_for_training,
    _verification,
]


@pytest.fixture(params=SOURCES, ids=lambda make: make.__name__.strip("_"))
def chosen(request, tmp_path):
    return request.param(tmp_path)


def splits(index):
    return index.train, index.validation, index.test


def test_no_identity_and_no_name_is_in_two_splits(chosen):
    index = open_source(chosen).index()
    groups = [{ref.identity for ref in refs} for refs in splits(index)]
    assert all(groups)
    assert sum(map(len, groups)) == len(set().union(*groups))
    names = [ref.name for refs in splits(index) for ref in refs]
    assert len(names) == len(set(names))


def test_the_index_and_the_fingerprint_are_the_same_every_time(chosen):
    first, second = open_source(chosen), open_source(chosen)
    assert first.index() == second.index() == first.index()
    assert first.fingerprint() == second.fingerprint()
    assert first.name == second.name != ""


def test_pairs_name_images_of_their_split(chosen):
    index = open_source(chosen).index()
    for refs, pairs in ((index.validation, index.validation_pairs), (index.test, index.test_pairs)):
        person = {ref.name: ref.identity for ref in refs}
        assert all((person[pair.first] == person[pair.second]) == pair.same for pair in pairs or ())


@pytest.mark.parametrize("size", [32, 48])
def test_a_face_is_uint8_rgb_of_the_wanted_size_and_the_same_every_time(chosen, size):
    source, other = open_source(chosen), open_source(chosen)
    for refs in splits(source.index()):
        face = source.read(refs[-1], size)
        assert (face.shape, face.dtype) == ((size, size, 3), np.uint8)
        assert face.max() > face.min()
        assert other.index()
        assert np.array_equal(face, other.read(refs[-1], size))


def test_threads_get_what_one_reader_gets(chosen):
    source = open_source(chosen)
    refs = source.index().test[:8]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda ref: source.read(ref, 32), refs))
    assert all(np.array_equal(face, source.read(ref, 32)) for ref, face in zip(refs, together, strict=True))


def test_it_loads_and_every_fold_of_its_pairs_has_other_folds(chosen, tmp_path):
    data = load_faces(chosen, 32, tmp_path / "cache", lambda done, total: None)
    for faces, pairs in ((data.validation, data.validation_pairs), (data.test, data.test_pairs)):
        assert (faces.labels[pairs.first] == faces.labels[pairs.second]).tolist() == pairs.same.tolist()
        assert len(set(pairs.fold.tolist())) >= 2
    assert data.fingerprint == load_faces(chosen, 48, tmp_path / "cache", lambda done, total: None).fingerprint
