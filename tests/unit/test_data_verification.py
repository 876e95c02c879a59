"""Files of face pairs without names: what they hold, how they are split, and that only their pairs are scored."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from facerec_core import metrics
from facerec_core.data.loader import load_faces
from facerec_core.data.records import Pairs
from facerec_core.data.verification import VerificationSource, parse_face_pairs
from facerec_core.errors import BrokenImageError, DataError, OptionError
from tests.image_files import bin_file, crowd, options, picture, write_folder, write_zip

SAME = [True, False, True, False, True, False]
IMAGES = [picture(seed, kind="JPEG") for seed in range(12)]


@pytest.fixture
def train(tmp_path):
    return str(write_zip(tmp_path / "train.zip", crowd(16)))


@pytest.fixture
def chosen(tmp_path, train):
    root = bin_file(tmp_path / "lfw.bin", IMAGES, SAME)
    return options(kind="verification", root=str(root), train_root=train)


def identities(refs):
    return {ref.identity for ref in refs}


def test_the_pairs_test_and_people_of_train_root_train_and_validate(chosen):
    source = VerificationSource(chosen)
    index = source.index()
    assert source.name == "lfw"
    assert len(index.test) == 12
    assert [pair.same for pair in index.test_pairs] == SAME
    assert len(identities(index.validation)) == 4
    assert identities(index.train) | identities(index.validation) == {f"P{i:02d}" for i in range(16)}
    assert not identities(index.train) & identities(index.validation)


def test_a_genuine_pair_is_one_person_and_an_impostor_pair_two(chosen):
    index = VerificationSource(chosen).index()
    person = {ref.name: ref.identity for ref in index.test}
    assert [person[pair.first] == person[pair.second] for pair in index.test_pairs] == SAME
    assert len(set(person.values())) == 3 + 2 * 3
    assert index.test_pairs_only


def test_those_who_do_not_fit_into_validation_train(chosen):
    index = VerificationSource(replace(chosen, max_validation_images=4)).index()
    assert len(identities(index.validation)) == 1
    assert len(identities(index.train)) == 15


def test_folds_are_runs_of_the_list(tmp_path, train):
    root = bin_file(tmp_path / "many.bin", [picture(0)] * 80, [True, False] * 20)
    pairs = VerificationSource(options(kind="verification", root=str(root), train_root=train)).index().test_pairs
    assert [pair.fold for pair in pairs] == [number // 4 for number in range(40)]


def test_images_are_taken_whole_whatever_the_crop_of_the_training_faces(chosen):
    whole, cut = VerificationSource(chosen), VerificationSource(replace(chosen, crop=0.5))
    tested, trained = whole.index().test[0], whole.index().train[0]
    assert np.array_equal(whole.read(tested, 32), cut.read(tested, 32))
    assert not np.array_equal(whole.read(trained, 32), cut.read(trained, 32))


def test_the_fingerprint_follows_the_file_and_the_training_images(chosen, tmp_path):
    before = VerificationSource(chosen).fingerprint()
    other = bin_file(tmp_path / "other.bin", [*IMAGES[:-1], picture(99)], SAME)
    assert VerificationSource(replace(chosen, root=str(other))).fingerprint() != before
    more = write_zip(tmp_path / "more.zip", crowd(17))
    assert VerificationSource(replace(chosen, train_root=str(more))).fingerprint() != before


def test_only_the_pairs_of_the_file_are_scored(chosen, tmp_path):
    data = load_faces(chosen, 32, tmp_path / "cache", lambda done, total: None)
    assert data.test_pairs.exclusive
    assert not data.validation_pairs.exclusive
    assert (data.summary.test_images, data.summary.test_identities) == (12, None)
    embeddings = np.random.default_rng(0).normal(size=(12, 8)).astype(np.float32)
    evaluation = metrics.evaluate(
        embeddings, data.test.labels, data.test_pairs, split="test", identities=9, target_far=0.1, threshold=0.0
    )
    assert (evaluation.genuine_pairs, evaluation.impostor_pairs, evaluation.accuracy_pairs) == (3, 3, 6)
    assert evaluation.identities is None


def test_listed_scores_are_those_of_the_pairs_by_kind():
    angles = np.deg2rad([0, 60, 90, 180])
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    pairs = Pairs(
        np.array([0, 0, 1]), np.array([1, 2, 3]), np.array([True, False, False]), np.arange(3), exclusive=True
    )
    genuine, impostor = metrics.listed_scores(embeddings, pairs)
    np.testing.assert_allclose(genuine, [0.5], atol=1e-6)
    np.testing.assert_allclose(impostor, [0.0, -0.5], atol=1e-6)


def test_a_broken_image_takes_its_pair_along(tmp_path, train):
    images = [*IMAGES[:2], b"no image", *IMAGES[3:-1], b""]
    root = bin_file(tmp_path / "lfw.bin", images, SAME)
    chosen = options(kind="verification", root=str(root), train_root=train, skip_broken=True)
    data = load_faces(chosen, 32, tmp_path / "cache", lambda done, total: None)
    assert [image.name for image in data.broken] == ["lfw.bin/pair_00005/second", "lfw.bin/pair_00001/first"]
    assert len(data.test_pairs.same) == 4
    source = VerificationSource(chosen)
    with pytest.raises(BrokenImageError, match=r"lfw.bin/pair_00001/first: not a JPEG, PNG"):
        source.read(next(ref for ref in source.index().test if "00001/first" in ref.name), 32)
    with pytest.raises(DataError, match=r"2 broken images: lfw.bin/pair_00005/second"):
        load_faces(replace(chosen, skip_broken=False), 32, tmp_path / "cache2", lambda done, total: None)


def content(images, same):
    return pickle.dumps((images, same), 4)


FAULTS = {
    "an odd number of images": (content(IMAGES[:11], SAME), "11 images and 6 entries in issame_list; needed: two"),
    "a pair too few": (content(IMAGES, SAME[:5]), "12 images and 5 entries"),
    "a pair too many": (content(IMAGES, [*SAME, True]), "12 images and 7 entries"),
    "nothing": (content([], []), "0 images and 0 entries"),
    "one kind": (content(IMAGES, [True] * 6), "6 of 6 pairs show one person; needed: pairs of both kinds"),
    "one list": (pickle.dumps(IMAGES, 4), "holds a list of 12; needed: a pickle of two lists"),
    "a number": (pickle.dumps(7, 4), "holds 7; needed"),
    "an image that is a text": (content([*IMAGES[:-1], "x"], SAME), "image 11: got a text, allowed: the bytes"),
    "an image that is a number": (content([3, *IMAGES[1:]], SAME), "image 0: got 3, allowed"),
    "an image of truth values": (content([np.ones(3, bool), *IMAGES[1:]], SAME), "image 0: got an array"),
    "images that are no list": (pickle.dumps((b"x", SAME), 4), "images: got bytes, allowed: a list"),
    "a truth value of 2": (content(IMAGES, [*SAME[:5], 2]), "issame_list: entry 5: got 2, allowed: True or False"),
    "a truth value in letters": (content(IMAGES, [*SAME[:5], "no"]), "issame_list: entry 5: got a text"),
    "pixels": (
        content([np.zeros((4, 4, 3), np.uint8), *IMAGES[1:]], SAME),
        "opcode BUILD: an array of shape 4 x 4 x 3; allowed: the bytes of an image file",
    ),
    "a list within itself": (b"]q\x00(h\x00h\x00e.", "image 0: got a list of 2"),
    "a cut file": (content(IMAGES, SAME)[:-900], "the file is cut"),
    "an archive": (b"PK\x03\x04", "opcode PERSID: not allowed"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_another_content_is_refused_with_the_place(fault):
    damaged, message = FAULTS[fault]
    with pytest.raises(DataError, match=message) as raised:
        parse_face_pairs(damaged, "lfw.bin")
    assert str(raised.value).startswith("lfw.bin")
    assert str(raised.value).isprintable()


def test_arrays_may_stand_for_images_and_truth_values():
    arrays = [np.frombuffer(image, np.uint8) for image in IMAGES]
    found = parse_face_pairs(pickle.dumps([arrays, np.array(SAME)], 2), "x.bin")
    assert [bytes(image) for image in found.images] == IMAGES
    assert list(found.same) == SAME


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path / "absent.bin", r"data.root: cannot read .*absent.bin: No such file"),
        (lambda path: write_folder(path / "x.bin", {"a.txt": b""}), r"data.root: got .*x.bin, allowed with data=verif"),
        (lambda path: write_zip(path / "x.zip", {}), r"data.root: got .*x.zip, allowed with data=verification: a .bin"),
    ],
)
def test_a_root_that_is_no_such_file_is_refused(make, message, tmp_path, train):
    source = VerificationSource(options(kind="verification", root=str(make(tmp_path)), train_root=train))
    with pytest.raises(DataError, match=message):
        source.index()


def test_a_file_too_large_to_be_held_is_not_read(chosen, monkeypatch):
    monkeypatch.setattr("facerec_core.data.verification.MAX_FILE_BYTES", 1000)
    with pytest.raises(DataError, match=r"lfw.bin has [\d,]+ bytes; needed: a .bin file of at most 1,000 bytes"):
        VerificationSource(chosen).index()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_root": None}, r"data.train_root: got None, allowed: faces to train on: pairs without names"),
        ({"root": None}, r"data.root: got None, allowed: a .bin file of face pairs"),
        ({"pairs": "pairs.txt"}, r"data.pairs: got 'pairs.txt', allowed: null with data=verification"),
        ({"groups": "groups.csv"}, r"data.groups: got 'groups.csv', allowed: null with data=verification"),
        ({"view": 2}, r"data.view: got 2, allowed: 1 with data=verification"),
        ({"max_test_images": 10}, r"data.max_test_images: got 10, allowed: null with data=verification"),
    ],
)
def test_choices_that_such_pairs_cannot_serve_are_refused(changes, message):
    with pytest.raises(OptionError, match=message):
        options(**({"kind": "verification", "root": "x.bin", "train_root": "faces"} | changes))
