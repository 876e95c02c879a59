"""Alignment by five landmarks: the transformation, the resampling, and images read through it."""

import io
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from facerec_core.data.alignment import TEMPLATE, LandmarksError, onto_template, similarity, warp
from facerec_core.data.images import UndecodableError, decode_aligned

ANGLES = st.floats(-math.pi, math.pi)
SCALES = st.floats(0.05, 20)
SHIFTS = st.floats(-500, 500)


def umeyama(points, target):
    """The general solution by singular values, equations 38 to 42 of the paper."""
    p, q = points - points.mean(0), target - target.mean(0)
    u, values, vt = np.linalg.svd(q.T @ p / len(p))
    signs = np.diag([1, np.sign(np.linalg.det(u) * np.linalg.det(vt))])
    rotation = u @ signs @ vt
    scale = np.trace(np.diag(values) @ signs) / p.var(0).sum()
    return np.hstack([scale * rotation, (target.mean(0) - scale * rotation @ points.mean(0))[:, None]])


def moved(points, angle, scale, x, y):
    """The points in an image in which the face is turned, scaled and shifted."""
    turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return points @ turn.T + (x, y)


@given(ANGLES, SCALES, SHIFTS, SHIFTS)
def test_a_known_transformation_is_recovered(angle, scale, x, y):
    points = moved(TEMPLATE, angle, scale, x, y)
    matrix = similarity(points, TEMPLATE)
    assert np.abs(points @ matrix[:, :2].T + matrix[:, 2] - TEMPLATE).max() < 1e-6
    assert math.hypot(*matrix[:, 0]) == pytest.approx(1 / scale, rel=1e-6)


@given(ANGLES, SCALES, st.integers(0, 1000))
def test_noisy_points_give_what_the_general_solution_gives(angle, scale, seed):
    noise = np.random.default_rng(seed).normal(0, 3 * scale, TEMPLATE.shape)
    points = moved(TEMPLATE, angle, scale, 40, -7) + noise
    assume(((points - points.mean(0)) ** 2).sum() >= len(points))  # closer together they are refused
    matrix = similarity(points, TEMPLATE)
    assert np.allclose(matrix, umeyama(points, TEMPLATE), rtol=1e-6, atol=1e-6)
    assert np.linalg.det(matrix[:, :2]) > 0


def test_mirrored_points_are_refused_and_never_reflected():
    mirrored = TEMPLATE * (-1, 1) + (112, 0)
    with pytest.raises(LandmarksError, match="are left and right exchanged"):
        similarity(mirrored, TEMPLATE)
    with pytest.raises(LandmarksError, match="are left and right exchanged"):
        similarity(TEMPLATE[[1, 0, 2, 3, 4]], TEMPLATE)  # the eyes alone
    assert np.linalg.det(umeyama(mirrored, TEMPLATE)[:, :2]) > 0


def test_a_profile_whose_points_lie_on_a_line_is_aligned():
    profile = TEMPLATE * (0.02, 1)
    assert np.linalg.det(similarity(profile, TEMPLATE)[:, :2]) > 0


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        (np.full((5, 2), 7.0), "all but on one point"),
        (7 + TEMPLATE / 1000, "all but on one point"),
        (np.where(TEMPLATE > 90, np.nan, TEMPLATE), "no finite numbers"),
        (np.where(TEMPLATE > 90, np.inf, TEMPLATE), "no finite numbers"),
    ],
)
def test_points_that_say_nothing_are_refused(points, reason):
    with pytest.raises(LandmarksError, match=reason):
        similarity(points, TEMPLATE)


def scene(x, y):
    """A picture without fine detail, as a function of its plane: three channels of 40 to 215."""
    waves = (np.sin(x / 9 + y / 14), np.cos(x / 12 - y / 10), np.sin(y / 8) * np.cos(x / 15))
    return np.stack([127.5 + 87 * wave for wave in waves], -1)


def pixels(width, height):
    down, across = np.mgrid[0:height, 0:width] + 0.5
    return Image.fromarray(np.round(scene(across, down)).astype(np.uint8))


@pytest.mark.parametrize("scale", [0.5, 0.9, 1.0, 1.3, 2.0, 2.7, 4.4])
@pytest.mark.parametrize("angle", [0.0, 0.4, -1.2, 3.0])
def test_every_pixel_shows_what_lies_there_in_the_image(scale, angle):
    """`scale` is that of the face in the image: above 1 it has to shrink."""
    size = 56
    points = moved(TEMPLATE - 56, angle, scale / 2, 251.3, 248.9)
    to_face = onto_template(points, size)
    face = warp(pixels(500, 500), to_face, size).astype(float)
    inverse = np.linalg.inv(np.vstack([to_face, [0, 0, 1]]))
    steps = (np.arange(4 * size) + 0.5) / 4
    across, down = np.meshgrid(steps, steps)
    there = np.stack([across, down, np.ones_like(across)], -1) @ inverse[:2].T
    dense = scene(there[..., 0], there[..., 1]).reshape(size, 4, size, 4, 3)
    assert np.abs(face - dense.mean((1, 3))).max() < 5
    assert np.abs(face - dense.mean((1, 3))).mean() < 1.2


def slow_bicubic(image, to_image, size):
    """Pillow's cubic kernel (a = -1), a pixel at a time."""
    out = np.zeros((size, size, 3))

    def weight(t):
        t = abs(t)
        return t**3 - 2 * t**2 + 1 if t < 1 else -(t**3) + 5 * t**2 - 8 * t + 4 if t < 2 else 0.0

    for row in range(size):
        for column in range(size):
            x, y = to_image[:2] @ (column + 0.5, row + 0.5, 1) - 0.5
            for i in range(math.floor(y) - 1, math.floor(y) + 3):
                for j in range(math.floor(x) - 1, math.floor(x) + 3):
                    out[row, column] += weight(y - i) * weight(x - j) * image[i, j]
    return np.clip(out, 0, 255)


def test_an_enlarged_face_equals_the_slow_way():
    rng = np.random.default_rng(0)
    image = rng.integers(60, 196, (60, 60, 3), dtype=np.uint8)
    to_face = onto_template(moved(TEMPLATE - 56, 0.3, 0.2, 30, 30), 32)
    slow = slow_bicubic(image.astype(float), np.linalg.inv(np.vstack([to_face, [0, 0, 1]])), 32)
    assert np.abs(warp(Image.fromarray(image), to_face, 32) - slow).max() <= 1.01


@pytest.mark.parametrize("scale", [1.5, 2.0, 3.3, 8.0])
def test_fine_detail_turns_grey_where_the_face_shrinks(scale):
    checks = (np.indices((400, 400)).sum(0) % 2 * 255).astype(np.uint8)
    image = Image.fromarray(np.repeat(checks[..., None], 3, -1))
    face = warp(image, onto_template(moved(TEMPLATE - 56, 0.5, scale / 4, 200, 200), 28), 28)
    assert abs(face.mean() - 127) < 3
    assert face.std() < (40 if scale < 2 else 12)


def test_what_lies_outside_the_image_is_black():
    white = Image.fromarray(np.full((100, 100, 3), 255, np.uint8))
    face = warp(white, onto_template(moved(TEMPLATE, 0, 0.5, -20, 20), 56), 56)
    assert face[20, 50].tolist() == [255] * 3
    assert face[:, :10].max() == 0
    assert warp(white, onto_template(TEMPLATE + 5000, 56), 56).max() == 0


def encoded(image, kind="PNG", **save):
    out = io.BytesIO()
    image.save(out, kind, **save)
    return out.getvalue()


def test_a_face_comes_out_alike_at_every_size():
    data, points = encoded(pixels(300, 300)), moved(TEMPLATE - 56, 0.2, 1.5, 150, 150)
    small, large = decode_aligned(data, 48, points), decode_aligned(data, 192, points)
    halved = np.asarray(Image.fromarray(large).reduce(4)).astype(int)
    assert np.abs(small - halved).max() <= 4


def test_a_large_jpeg_read_at_a_fraction_gives_the_same_face():
    image = pixels(160, 120).resize((3200, 2400), Image.Resampling.BICUBIC)
    points = moved(TEMPLATE - 56, 0.2, 8, 1700, 1200)
    whole = decode_aligned(encoded(image, "PNG"), 32, points).astype(int)
    assert np.abs(decode_aligned(encoded(image, "JPEG", quality=95), 32, points) - whole).max() <= 6


def test_landmarks_are_those_of_the_upright_image():
    image = pixels(200, 150)
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side: turn a quarter clockwise
    lying = encoded(image.transpose(Image.Transpose.ROTATE_90), exif=exif)
    points = moved(TEMPLATE - 56, 0.1, 0.9, 100, 75)
    assert np.array_equal(decode_aligned(lying, 64, points), decode_aligned(encoded(image), 64, points))


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        (np.full((5, 2), 7.0), "all but on one point"),
        (TEMPLATE + 500, r"lie outside the image, around 556, 572; are they those of another version of it\?"),
        (TEMPLATE * 1e300, "."),
    ],
)
def test_an_image_that_cannot_be_aligned_is_refused_with_a_reason(points, reason):
    with pytest.raises(UndecodableError, match=reason) as raised:
        decode_aligned(encoded(pixels(120, 120)), 32, points)
    assert "\n" not in str(raised.value)
