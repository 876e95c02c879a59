from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import facerec_core
from facerec_core.data.source import ImageRef
from facerec_core.data.synthetic import RENDERER_VERSION, SyntheticSource
from facerec_core.errors import DataError
from facerec_core.options import DataOptions, SyntheticOptions


def options(seed: int = 0, difficulty: float = 1.0, train: int = 3, evaluation: int = 4) -> DataOptions:
    synthetic = SyntheticOptions(
        train_identities=train, train_images=4, eval_identities=evaluation, eval_images=3, difficulty=difficulty
    )
    return DataOptions(
        kind="synthetic",
        root=None,
        train_root=None,
        pairs=None,
        annotations=None,
        view=1,
        image_size=128,
        crop=1.0,
        skip_broken=False,
        min_images=2,
        skip_small=False,
        max_image_bytes=20_000_000,
        validation_fraction=0.1,
        test_fraction=0.1,
        max_validation_images=None,
        max_validation_images_each=None,
        max_test_images=None,
        landmarks=None,
        train_landmarks=None,
        groups=None,
        seed=seed,
        synthetic=synthetic,
    )


def read(source: SyntheticSource, name: str, size: int = 48) -> np.ndarray:
    return source.read(ImageRef(name, name.rpartition("/")[0]), size)


def test_the_index_lists_as_many_people_and_images_as_asked_for() -> None:
    index = SyntheticSource(options()).index()
    assert (len(index.train), len(index.validation), len(index.test)) == (12, 12, 12)
    assert index.train[5] == ImageRef("train/0001/0001", "train/0001")
    assert (index.validation_pairs, index.test_pairs, index.broken) == (None, None, ())
    assert SyntheticSource(options()).index() == index


def test_no_person_is_in_two_splits() -> None:
    source = SyntheticSource(options(difficulty=0.0))
    index = source.index()
    people = [{ref.identity for ref in refs} for refs in (index.train, index.validation, index.test)]
    assert len(set().union(*people)) == sum(map(len, people))
    faces = {read(source, f"{split}/0001/0000").tobytes() for split in ("train", "validation", "test")}
    assert len(faces) == 3


def test_an_image_depends_on_its_name_and_the_seed_alone() -> None:
    few, many = SyntheticSource(options()), SyntheticSource(options(train=50, evaluation=9))
    assert np.array_equal(read(few, "train/0002/0003"), read(many, "train/0002/0003"))
    names = ["train/0000/0000", "train/0000/0001", "train/0001/0000", "test/0000/0000", "validation/0000/0000"]
    images = {read(few, name).tobytes() for name in names}
    assert len(images) == len(names)
    assert not np.array_equal(read(few, names[0]), read(SyntheticSource(options(seed=1)), names[0]))


def test_another_process_renders_the_same_bytes() -> None:
    here = hashlib.sha256(read(SyntheticSource(options()), "test/0001/0002").tobytes()).hexdigest()
    tests, package = Path(__file__).parent, Path(facerec_core.__file__).parents[1]
    script = (
        "import hashlib; from test_synthetic import SyntheticSource, options, read;"
        "print(hashlib.sha256(read(SyntheticSource(options()), 'test/0001/0002').tobytes()).hexdigest())"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (tests, package))), "PYTHONHASHSEED": "1"}
    command = [sys.executable, "-c", script]
    there = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.strip()
    assert there == here


def test_the_fingerprint_changes_with_what_changes_pixels_and_nothing_else() -> None:
    base = SyntheticSource(options()).fingerprint()
    assert SyntheticSource(options(train=7, evaluation=5)).fingerprint() == base
    assert SyntheticSource(replace(options(), min_images=5)).fingerprint() == base
    assert SyntheticSource(options(seed=1)).fingerprint() != base
    assert SyntheticSource(options(difficulty=1.5)).fingerprint() != base


@pytest.mark.parametrize("name", ["", "train/0001", "nowhere/0001/0001", "test/../0001", "test/-1/0", "test/1/x/2"])
def test_a_name_that_is_none_of_ours_is_refused(name: str) -> None:
    with pytest.raises(DataError, match=r"got '.*', allowed: SPLIT/PERSON/IMAGE"):
        SyntheticSource(options()).read(ImageRef(name, "x"), 32)


def tar_at_far(features: np.ndarray, people: np.ndarray, far: float) -> float:
    """TAR of all pairs by cosine similarity about the mean, thresholded at that FAR."""
    centred = features - features.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    first, second = np.triu_indices(len(people), 1)
    score = (centred @ centred.T)[first, second]
    same = people[first] == people[second]
    impostors = np.sort(score[~same])[::-1]
    return float((score[same] > impostors[int(far * len(impostors))]).mean())


@pytest.fixture(scope="module")
def strangers() -> tuple[np.ndarray, np.ndarray]:
    """Forty people nobody trained on, six images each."""
    source = SyntheticSource(options(seed=11))
    images = [read(source, f"test/{person:04d}/{image:04d}") for person in range(40) for image in range(6)]
    return np.stack(images), np.repeat(np.arange(40), 6)


def shrunk(images: np.ndarray, side: int) -> np.ndarray:
    small = [np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BOX)) for image in images]
    return np.stack(small).reshape(len(images), -1).astype(np.float64)


def edges(images: np.ndarray) -> np.ndarray:
    """Mean strength of the horizontal and of the vertical edges in 8 x 8 cells, a plain cousin of HOG."""
    steps = np.gradient(images.mean(axis=3), axis=(1, 2))
    cells = [np.abs(step).reshape(len(images), 8, 6, 8, 6).mean(axis=(2, 4)) for step in steps]
    return np.stack(cells, axis=1).reshape(len(images), -1)


MATCHERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mean colour": lambda images: images.reshape(len(images), -1, 3).mean(axis=1),
    "8 x 8 pixels": lambda images: shrunk(images, 8),
    "16 x 16 pixels": lambda images: shrunk(images, 16),
    "edges": edges,
}


@pytest.mark.parametrize("matcher", MATCHERS)
def test_no_trivial_matcher_recognises_strangers(strangers: tuple[np.ndarray, np.ndarray], matcher: str) -> None:
    """A network of width 0.35 trained for a minute is above 0.5 here."""
    images, people = strangers
    assert tar_at_far(MATCHERS[matcher](images), people, 1e-2) < 0.30


def test_whoever_changes_what_is_drawn_raises_the_version() -> None:
    """The mean grey of 4 x 4 cells, within two levels; when this fails on purpose, raise the version and renew it."""
    image = read(SyntheticSource(options()), "train/0001/0001", 128)
    assert RENDERER_VERSION == 1
    greys = image.mean(axis=2).reshape(4, 32, 4, 32).mean(axis=(1, 3))
    expected = [[216, 116, 114, 213], [167, 120, 120, 173], [159, 117, 118, 167], [149, 89, 87, 174]]
    np.testing.assert_allclose(greys, expected, atol=2.0)
