"""Pictures that occur twice, and those that only look alike."""

import io

import numpy as np
import pytest
from PIL import Image

from facerec_core.data import duplicates
from facerec_core.data.duplicates import Duplicate, find_duplicates, near_pairs, perceptual_hashes
from facerec_core.data.synthetic import SyntheticSource
from facerec_core.options import SyntheticOptions
from tests.image_files import options


def silent(what, done, total):
    pass


@pytest.fixture(scope="module")
def faces():
    """24 rendered people with two pictures each: everything a face has in common with the next one."""
    source = SyntheticSource(options(kind="synthetic", synthetic=SyntheticOptions(24, 2, 4, 2, 1.0)))
    return np.stack([source.read(ref, 96) for ref in source.index().train])


def jpeg(image):
    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", quality=50)
    return np.asarray(Image.open(out).convert("RGB"))


def smaller(image):
    small = Image.fromarray(image).resize((48, 48), Image.Resampling.BICUBIC)
    return np.asarray(small.resize((96, 96), Image.Resampling.BICUBIC))


def darker(image):
    return (255 * (image / 255) ** 1.3).round().astype(np.uint8)


def grey(image):
    return np.asarray(Image.fromarray(image).convert("L").convert("RGB"))


def cropped(image):
    return np.asarray(Image.fromarray(image).resize((96, 96), Image.Resampling.BICUBIC, box=(1, 1, 95, 95)))


@pytest.mark.parametrize("change", [jpeg, smaller, darker, grey, cropped])
def test_a_changed_picture_is_found_and_no_other_is(faces, change) -> None:
    changed = np.stack([change(image) for image in faces[::6]])
    found = find_duplicates([faces, changed], silent)
    assert [(pair.first, pair.second) for pair in found.pairs] == [(6 * i, len(faces) + i) for i in range(len(changed))]
    assert not any(pair.exact for pair in found.pairs)
    assert found.complete
    assert found.flat == ()


def test_equal_pixels_are_told_from_near_ones(faces) -> None:
    almost = faces[2].copy()
    almost[0, 0, 0] ^= 1
    found = find_duplicates([faces[:3], np.stack([faces[1], almost])], silent)
    assert found.pairs == (Duplicate(1, 3, 0, True), Duplicate(2, 4, 0, False))


def test_of_many_equal_ones_each_is_paired_with_the_first(faces) -> None:
    found = find_duplicates([np.stack([faces[0]] * 4), faces[:2]], silent)
    assert [(pair.first, pair.second) for pair in found.pairs] == [(0, 1), (0, 2), (0, 3), (0, 4)]


def test_pictures_of_one_colour_are_named_and_not_compared(faces) -> None:
    blank = np.stack([np.full((96, 96, 3), level, np.uint8) for level in (0, 130, 255)])
    found = find_duplicates([faces[:2], blank], silent)
    assert (found.pairs, found.flat) == ((), (2, 3, 4))


def test_no_images_at_all() -> None:
    found = find_duplicates([np.zeros((0, 32, 32, 3), np.uint8)], silent)
    assert (found.pairs, found.flat, found.complete) == ((), (), True)


def test_progress_ends_where_it_says(faces) -> None:
    told = []
    find_duplicates([faces], lambda *step: told.append(step))
    assert ("hashing images", 48, 48) in told
    assert told[-1] == ("comparing images", 48, 48)


def test_the_search_equals_a_slow_one(monkeypatch) -> None:
    """Over several blocks, with distances on both sides of the limit and at it."""
    monkeypatch.setattr(duplicates, "_ROWS", 16)
    monkeypatch.setattr(duplicates, "_COLUMNS", 24)
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, (90, 4), dtype=np.uint64)
    bits = np.unpackbits(hashes.view(np.uint8), axis=1)
    for index, flips in enumerate(range(20, 45), start=60):
        bits[index] = bits[index - 55]
        bits[index, rng.choice(256, flips, replace=False)] ^= 1
    hashes = np.packbits(bits, axis=1).view(np.uint64)
    slow = {
        (i, j): int((bits[i] != bits[j]).sum())
        for i in range(len(bits))
        for j in range(i + 1, len(bits))
        if (bits[i] != bits[j]).sum() <= 32
    }
    found, complete = near_pairs(hashes, 32, silent)
    assert {(i, j): distance for i, j, distance in found} == slow
    assert set(slow.values()) == set(range(20, 33))
    assert complete


def test_a_set_of_nothing_but_duplicates_ends_the_search(monkeypatch) -> None:
    monkeypatch.setattr(duplicates, "MAX_PAIRS", 100)
    found, complete = near_pairs(np.zeros((600, 4), np.uint64), 32, silent)
    assert (len(found), complete) == (100, False)


def test_a_hash_has_256_bits_that_do_not_depend_on_the_neighbours(faces) -> None:
    hashes, contrast = perceptual_hashes(faces[:5])
    alone, _ = perceptual_hashes(faces[3:4])
    assert hashes.shape == (5, 4)
    assert hashes.dtype == np.uint64
    assert (hashes[3] == alone[0]).all()
    assert (contrast > 10).all()
