from __future__ import annotations

from dataclasses import asdict, fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_core.data.face_canvas import Canvas
from facerec_core.data.face_genes import gene_ranges
from facerec_core.data.faces import Capture, Genes, draw_capture, draw_genes, render

SIZE = 96
MIDDLE = (slice(SIZE // 4, 3 * SIZE // 4),) * 2


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def average_person() -> Genes:
    return Genes(**{name: (low + high) / 2 for name, (low, high) in gene_ranges().items()})


def plain_capture() -> Capture:
    """Frontal, even light, sharp and without noise."""
    return replace(draw_capture(rng(1), 0.0), texture_seed=3)


def difference(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first.astype(float) - second.astype(float)).mean())


@pytest.mark.parametrize("size", [32, 97, 128])
def test_a_face_is_a_square_rgb_image_of_bytes(size: int) -> None:
    image = render(draw_genes(rng(0)), draw_capture(rng(1), 1.0), size)
    assert (image.shape, image.dtype) == ((size, size, 3), np.dtype(np.uint8))
    assert image.max() - image.min() > 60
    assert image.flags.writeable


def test_the_same_arguments_give_the_same_bytes() -> None:
    genes, capture = draw_genes(rng(0)), draw_capture(rng(1), 2.0)
    assert render(genes, capture, SIZE).tobytes() == render(genes, capture, SIZE).tobytes()
    assert draw_genes(rng(0)) == genes
    assert draw_capture(rng(1), 2.0) == capture


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), difficulty=st.floats(0.0, 2.0))
def test_any_draw_lies_in_its_range_and_can_be_rendered(seed: int, difficulty: float) -> None:
    genes, capture = draw_genes(rng(seed)), draw_capture(rng(seed, 1), difficulty)
    values = asdict(genes)
    assert all(low <= values[name] <= high for name, (low, high) in gene_ranges().items())
    assert 0 < capture.sharpness <= 1
    assert 20 <= capture.jpeg_quality <= 95
    assert render(genes, capture, 48).std() > 5


@pytest.mark.parametrize("name", [f.name for f in fields(Genes)])
def test_every_gene_is_seen(name: str) -> None:
    low, high = gene_ranges()[name]
    person = replace(average_person(), wrinkles=0.5, mole_size=0.02, hairline=-0.5, hair_volume=0.04, hair_length=0.2)
    one, other = (render(replace(person, **{name: value}), plain_capture(), SIZE) for value in (low, high))
    assert (np.abs(one.astype(int) - other).max(axis=2) > 12).sum() >= 12


@pytest.mark.parametrize("name", [f.name for f in fields(Capture)])
def test_every_circumstance_is_seen(name: str) -> None:
    harsh = replace(draw_capture(rng(8), 2.0), jpeg_quality=30, hat=(0.9, 0.1, 0.1), hair_tied=True)
    person = replace(average_person(), beard=0.5, hair_length=1.2)
    changed = 0
    for cover, another in (("scarf", "hand"), ("hand", "strand"), ("strand", "scarf")):
        base = replace(plain_capture(), glasses=(0.1, 0.1, 0.5), cover=cover)  # type: ignore[arg-type]
        change: dict[str, Any] = {name: another if name == "cover" else getattr(harsh, name)}
        one, other = render(person, base, SIZE), render(person, replace(base, **change), SIZE)
        changed += int((one != other).any())
    assert changed


def test_without_difficulty_a_person_looks_straight_at_an_even_light_with_nothing_in_the_way() -> None:
    capture = draw_capture(rng(4), 0.0)
    assert (capture.yaw, capture.pitch, capture.roll, capture.shift_x, capture.noise) == (0, 0, 0, 0, 0)
    assert (capture.zoom, capture.sharpness, capture.exposure, capture.contrast) == (1, 1, 1, 1)
    assert (capture.hat, capture.glasses, capture.cover) == (None, None, None)


def test_images_of_one_person_differ_the_more_the_harder_the_circumstances() -> None:
    def spread(difficulty: float) -> float:
        images = [
            render(draw_genes(rng(p)), draw_capture(rng(p, i), difficulty), SIZE) for p in range(6) for i in (1, 2)
        ]
        return float(
            np.mean([difference(a[MIDDLE], b[MIDDLE]) for a, b in zip(images[::2], images[1::2], strict=True)])
        )

    easy, usual, harsh = spread(0.0), spread(1.0), spread(2.0)
    assert easy < 3
    assert usual > 4 * easy
    assert harsh > 1.2 * usual


def test_different_people_differ_when_nothing_else_does() -> None:
    images = [render(draw_genes(rng(p)), plain_capture(), SIZE)[MIDDLE] for p in range(12)]
    closest = min(difference(a, b) for i, a in enumerate(images) for b in images[:i])
    assert closest > 4


def test_a_small_change_of_genes_is_a_small_change_of_the_face() -> None:
    person = average_person()
    ranges = gene_ranges()
    neighbour = Genes(**{k: v + 0.02 * (ranges[k][1] - ranges[k][0]) for k, v in asdict(person).items()})
    stranger = draw_genes(rng(5))
    image = render(person, plain_capture(), SIZE)
    near = difference(image, render(neighbour, plain_capture(), SIZE))
    assert 0 < near < 0.3 * difference(image, render(stranger, plain_capture(), SIZE))


def test_skin_spans_its_whole_range_and_features_stay_visible_on_all_of_it() -> None:
    brightness, relief = [], []
    for melanin in np.linspace(0, 1, 6):
        image = render(replace(average_person(), melanin=float(melanin), freckles=-1.0), plain_capture(), SIZE)
        face = image[MIDDLE].mean(axis=2)
        brightness.append(float(np.median(face)))
        relief.append(float(face.std() / face.mean()))
        assert (image[MIDDLE] == 255).mean() < 0.05
    assert brightness == sorted(brightness, reverse=True)
    assert brightness[0] > 165
    assert brightness[-1] < 75
    assert min(relief) > 0.1


@pytest.mark.parametrize(("name", "side"), [("yaw", 1), ("pitch", 0)])
def test_turning_the_head_moves_the_eyes_the_way_it_looks(name: str, side: int) -> None:
    person = replace(average_person(), melanin=0.1, hair_shade=0.0, mole_size=-0.01, beard=-1.0, moustache=-1.0)

    def eyes(angle: float) -> float:
        turn: dict[str, Any] = {name: angle}
        capture = replace(plain_capture(), **turn)
        iris = render(replace(person, iris_shade=1.0), capture, SIZE).astype(int)
        changed = np.abs(iris - render(replace(person, iris_shade=0.0), capture, SIZE)).sum(axis=2) > 60
        return float(np.argwhere(changed).mean(axis=0)[side])

    assert eyes(-0.3) < eyes(0.0) - 2 < eyes(0.3) - 4


@pytest.mark.parametrize("difficulty", [1.0, 2.0])
def test_no_feature_is_cut_off_where_its_patch_ends(monkeypatch: pytest.MonkeyPatch, difficulty: float) -> None:
    def steady(person: int) -> Capture:
        capture = draw_capture(rng(person, 7), difficulty)
        return replace(capture, noise=0.0, sharpness=1.0, jpeg_quality=95, glasses=(0.1, 0.1, 0.1))

    patched = [render(draw_genes(rng(p)), steady(p), 64) for p in range(25)]
    monkeypatch.setattr(Canvas, "around", lambda canvas, *_: canvas.whole)
    for person, image in enumerate(patched):
        assert np.abs(render(draw_genes(rng(person)), steady(person), 64).astype(int) - image).max() <= 4
