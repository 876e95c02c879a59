import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from facerec_core.batches import augment, balanced_order, even_order, shuffled_order, to_network_range, training_batches
from facerec_core.data.records import FaceSet
from tests.recipes import NO_AUGMENTATION, changed

COLOUR = {"brightness": 0.3, "contrast": 0.4, "saturation": 0.5}
ALL = changed(NO_AUGMENTATION, flip=True, shift=0.1, zoom=0.2, blur=4.0, cutout=0.5, **COLOUR)


def pictures(count=64, side=16, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, side, side, 3)).astype(np.float32)


def augmented(images, options, seed=(0, 1)):
    return augment(images, options, np.array(seed, np.int64)).numpy()


def test_the_ends_of_the_pixel_range_become_the_ends_of_the_networks():
    assert to_network_range(np.array([0, 255], np.uint8)).numpy().tolist() == [-1.0, 1.0]


def test_nothing_changes_when_all_is_off():
    images = pictures()
    assert np.allclose(augmented(images, NO_AUGMENTATION), images, atol=1e-5)


def test_the_same_seed_gives_the_same_pixels_and_another_seed_others():
    images = pictures()
    first = augmented(images, ALL)
    assert np.array_equal(augmented(images, ALL), first)
    assert not np.allclose(augmented(images, ALL, (0, 2)), first, atol=0.1)
    assert not np.allclose(augmented(images, ALL, (1, 1)), first, atol=0.1)


def test_pixels_stay_in_the_networks_range():
    out = augmented(pictures(), ALL)
    assert out.dtype == np.float32
    assert out.min() >= -1
    assert out.max() <= 1


def test_a_flip_mirrors_about_half_of_the_images_and_leaves_the_others():
    images = pictures()
    out = augmented(images, changed(NO_AUGMENTATION, flip=True))
    mirrored = [np.allclose(a, b[:, ::-1], atol=1e-4) for a, b in zip(out, images, strict=True)]
    same = [np.allclose(a, b, atol=1e-4) for a, b in zip(out, images, strict=True)]
    assert all(m != s for m, s in zip(mirrored, same, strict=True))
    assert 16 < sum(mirrored) < 48


def test_a_shift_moves_by_at_most_its_share_of_the_side():
    side = 40
    images = np.full((64, side, side, 3), -1, np.float32)
    images[:, 20, 20] = 1.0
    out = augmented(images, changed(NO_AUGMENTATION, shift=0.1))[..., 0] + 1
    grid = np.arange(side)
    rows = (out.sum(2) * grid).sum(1) / out.sum((1, 2))
    columns = (out.sum(1) * grid).sum(1) / out.sum((1, 2))
    for moved in (rows - 20, columns - 20):
        assert np.abs(moved).max() <= 0.1 * side + 1e-3
        assert moved.max() > 0.05 * side
        assert moved.min() < -0.05 * side


def test_a_zoom_keeps_the_centre_and_scales_by_at_most_its_share():
    side = 41
    ramp = np.linspace(-1, 1, side, dtype=np.float32)
    images = np.broadcast_to(ramp[None, None, :, None], (64, side, side, 3)).copy()
    out = augmented(images, changed(NO_AUGMENTATION, zoom=0.2))
    slope = (out[:, 20, 25, 0] - out[:, 20, 15, 0]) / (ramp[25] - ramp[15])
    assert np.allclose(out[:, 20, 20], 0.0, atol=1e-4)
    assert slope.min() >= 0.8 - 1e-3
    assert slope.max() <= 1.2 + 1e-3
    assert slope.max() - slope.min() > 0.2


def test_brightness_moves_all_pixels_alike_and_colour_keeps_the_mean():
    images = 0.2 * pictures()
    moved = augmented(images, changed(NO_AUGMENTATION, brightness=0.3)) - images
    assert np.allclose(moved, moved[:, :1, :1, :1], atol=1e-5)
    assert 0.3 < np.abs(moved).max() <= 0.6
    contrasted = augmented(images, changed(NO_AUGMENTATION, contrast=0.5))
    assert np.allclose(contrasted.mean((1, 2, 3)), images.mean((1, 2, 3)), atol=1e-5)
    spread = contrasted.std((1, 2, 3)) / images.std((1, 2, 3))
    assert 0.5 - 1e-3 <= spread.min() < 0.8 < 1.2 < spread.max() <= 1.5 + 1e-3


def test_saturation_leaves_grey_alone():
    grey = np.repeat(0.5 * pictures()[..., :1], 3, -1)
    assert np.allclose(augmented(grey, changed(NO_AUGMENTATION, saturation=0.9)), grey, atol=1e-5)


def blurred_points(blur, side=96):
    """How a white point in the middle of each black image spreads down and across: two standard deviations [n]."""
    images = np.zeros((48, side, side, 3), np.float32)
    images[:, side // 2, side // 2] = 1.0
    out = augmented(images, changed(NO_AUGMENTATION, blur=blur))[..., 0].astype(float)
    assert np.allclose(out.sum((1, 2)), 1, atol=1e-4)
    offsets = np.arange(side) - side // 2
    return [np.sqrt((out.sum(axis) * offsets**2).sum(1)) for axis in (2, 1)]


@pytest.mark.parametrize("side", [96, 192])
def test_blur_spreads_a_point_by_up_to_its_pixels_at_a_side_of_96(side):
    down, across = blurred_points(3.0, side)
    assert np.allclose(down, across, atol=1e-3)
    assert down.max() <= 3.0 * side / 96
    assert down.max() > 2.2 * side / 96
    assert down.min() < 0.6 * side / 96


def test_blur_equals_a_gaussian_and_keeps_even_images_even():
    images = pictures(8, 48)
    images[:4] = images[:4, :1, :1]
    out = augmented(images, changed(NO_AUGMENTATION, blur=4.0))
    assert np.allclose(out[:4], images[:4], atol=1e-5)
    for image, found in zip(images[4:, ..., 1], out[4:, ..., 1], strict=True):
        sigmas = np.linspace(0.1, 2, 400)
        errors = [np.abs(gaussian_filter(image, sigma, truncate=6) - found).max() for sigma in sigmas]
        assert min(errors) < 0.02 < max(errors)


def test_blur_and_cutout_leave_the_other_changes_as_they_were():
    images = pictures(16, 32)
    plain = augmented(images, changed(ALL, blur=0.0, cutout=0.0))
    assert np.allclose(augmented(images, changed(ALL, blur=1e-6, cutout=0.0)), plain, atol=1e-5)
    assert np.allclose(augmented(images, changed(ALL, blur=0.0, cutout=1e-6)), plain, atol=1e-5)


def test_cutout_covers_half_of_the_images_with_one_grey_rectangle_each():
    side = 40
    images = pictures(400, side)
    out = augmented(images, changed(NO_AUGMENTATION, cutout=0.5))
    covered = np.abs(out - images).max(-1) > 1e-4
    touched = covered.any((1, 2))
    assert 140 < touched.sum() < 240, "half of them, less those whose rectangle is narrower than a pixel"
    heights, widths, greys = [], [], []
    for image, mask in zip(out[touched], covered[touched], strict=True):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert np.ptp(box) == 0
        heights.append(np.ptp(rows) + 1)
        widths.append(np.ptp(columns) + 1)
        greys.append(box[0, 0, 0])
    assert 17 <= max(heights) <= 21
    assert 17 <= max(widths) <= 21
    assert not np.array_equal(heights, widths)
    assert np.ptp(greys) > 1.5
    assert covered[touched].any(0).mean() > 0.99, "anywhere in the image"


@pytest.fixture
def numbered():
    """Image i is uniformly of grey level i."""
    levels = np.arange(20, dtype=np.uint8)
    images = np.broadcast_to(levels[:, None, None, None], (20, 8, 8, 3)).copy()
    return FaceSet(images, np.arange(20, dtype=np.int64) % 5, tuple(map(str, levels)), tuple("abcde"))


def run(faces, order, batch_size=6, augmentation=None):
    return [(x.numpy(), y.numpy()) for x, (y, _) in training_batches(faces, order, batch_size, augmentation, 3)]


def test_batches_walk_the_order_with_matching_labels_and_drop_the_rest(numbered):
    order = np.random.default_rng(0).permutation(20)
    batches = run(numbered, order)
    assert len(batches) == 3
    for position, (images, labels) in enumerate(batches):
        levels = np.round((images[:, 0, 0, 0] + 1) * 127.5).astype(int)
        assert images.shape == (6, 8, 8, 3)
        assert sorted(levels) == sorted(order[6 * position : 6 * position + 6])
        assert np.array_equal(labels, levels % 5)


def test_batches_are_the_same_every_time_and_augmented_anew_in_every_step(numbered):
    order = np.tile(np.arange(6), 2)
    first, second = run(numbered, order, 6, ALL), run(numbered, order, 6, ALL)
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(first, second, strict=True))
    assert not np.allclose(first[0][0], first[1][0], atol=0.01)


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(1, 4), st.integers(1, 50), st.integers(0, 5))
def test_every_epoch_is_a_permutation_cut_to_whole_batches(count, epochs, batch_size, seed):
    labels = np.zeros(count, np.int64)
    order = shuffled_order(labels, epochs, batch_size, seed)
    whole = len(order) // epochs
    assert whole == (count // batch_size * batch_size if batch_size <= count else count)
    for epoch in order.reshape(epochs, whole):
        assert len(set(epoch)) == whole
    assert np.array_equal(order, shuffled_order(labels, epochs, batch_size, seed))


def test_a_teachers_fingerprints_travel_with_their_images(numbered):
    teacher = np.arange(12, dtype=np.float32).reshape(6, 2)
    ((images, (labels, vectors)),) = training_batches(numbered, np.array([4, 1, 3]), 3, None, 0, teacher)
    assert images.shape[0] == 3
    assert np.array_equal(vectors, teacher[[1, 3, 4]])
    assert np.array_equal(labels, numbered.labels[[1, 3, 4]])
    ((_, (_, none)),) = training_batches(numbered, np.array([0, 1]), 2, None, 0)
    assert none.shape == (2, 0)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 6), min_size=2, max_size=40), st.integers(1, 4), st.integers(1, 12), st.integers(0, 5))
def test_with_even_sampling_every_identity_comes_equally_often(labels, epochs, batch_size, seed):
    labels = np.array(labels)
    order = even_order(labels, epochs, batch_size, seed)
    assert len(order) == len(shuffled_order(labels, epochs, batch_size, seed))
    turns = np.bincount(labels[order], minlength=7)[np.unique(labels)]
    assert turns.max() - turns.min() <= 1
    for person in np.unique(labels):
        counts = np.bincount(order, minlength=len(labels))[labels == person]
        assert counts.max() - counts.min() <= 1
    assert np.array_equal(order, even_order(labels, epochs, batch_size, seed))


@settings(max_examples=30)
@given(st.lists(st.integers(0, 6), min_size=4, max_size=40), st.sampled_from([4, 8, 12]), st.integers(0, 5))
def test_in_balanced_batches_everyone_has_a_partner(labels, batch_size, seed):
    labels = np.array([0, 0, *labels])
    order = balanced_order(labels, 2, batch_size, seed)
    assert len(order) % batch_size == 0
    assert len(order) // batch_size == 2 * max(len(labels) // batch_size, 1)
    for batch in order.reshape(-1, batch_size):
        counts = np.bincount(labels[batch])
        assert all(count % 4 == 0 for count in counts)
        assert all((labels == label).sum() > 1 for label in set(labels[batch]))


@pytest.mark.parametrize("side", [96, 160])
def test_a_mirror_alone_is_to_the_bit_what_resampling_makes_of_it(side):
    images = pictures(16, side)
    resampled = augmented(images, changed(NO_AUGMENTATION, flip=True, shift=1e-12))
    assert np.array_equal(augmented(images, changed(NO_AUGMENTATION, flip=True)), resampled)


def test_batches_that_begin_later_are_the_later_batches(numbered):
    order = np.random.default_rng(0).permutation(20)
    whole = training_batches(numbered, order, 4, ALL, 3)
    rest = training_batches(numbered, order[8:], 4, ALL, 3, first_step=2)
    for (images, (labels, _)), (found, (of, _)) in zip(list(whole)[2:], rest, strict=True):
        assert np.array_equal(images, found)
        assert np.array_equal(labels, of)


def test_downscaling_and_grey_leave_the_other_changes_as_they_were():
    images = pictures(16, 32)
    plain = augmented(images, ALL)
    assert np.allclose(augmented(images, changed(ALL, downscale=1.0)), plain, atol=1e-5)
    assert np.allclose(augmented(images, changed(ALL, grey=1e-9)), plain, atol=1e-5)


def test_downscaling_takes_detail_from_half_of_the_images_and_keeps_the_mean():
    checks = np.indices((32, 32)).sum(0) % 2 * 2.0 - 1.0
    images = np.broadcast_to(checks[None, :, :, None], (400, 32, 32, 3)).astype(np.float32)
    out = augmented(images, changed(NO_AUGMENTATION, downscale=4.0))
    touched = np.abs(out - images).max((1, 2, 3)) > 1e-4
    assert 140 < touched.sum() < 260
    assert np.allclose(out.mean((1, 2, 3)), 0, atol=0.05)
    assert np.median(out[touched].std((1, 2, 3))) < 0.3
    assert np.array_equal(out[~touched], images[~touched])


def test_downscaling_by_two_is_the_mean_of_four_pixels_enlarged_bilinearly(monkeypatch):
    from facerec_core import batches
    from facerec_core.tf import tf

    image = pictures(1, 16)
    # Chosen, and by the largest factor there is.
    monkeypatch.setattr(
        tf.random, "stateless_uniform", lambda shape, seed, low=0.0, high=1.0: tf.fill(shape, high * 0.49)
    )
    found = batches._shrink(image, changed(NO_AUGMENTATION, downscale=2 / 0.49), [None, None]).numpy()
    small = tf.image.resize(image, (8, 8), method="area")
    assert np.allclose(found, tf.image.resize(small, (16, 16), method="bilinear"), atol=1e-5)


def test_grey_takes_the_colour_of_its_share_of_the_images():
    images = 0.5 * pictures(400, 8)
    out = augmented(images, changed(NO_AUGMENTATION, grey=0.3))
    colourless = np.ptp(out, axis=-1).max((1, 2)) < 1e-6
    assert 80 < colourless.sum() < 160
    luma = (images * (0.299, 0.587, 0.114)).sum(-1)
    assert np.allclose(out[colourless][..., 0], luma[colourless], atol=1e-5)
    assert np.allclose(out[~colourless], images[~colourless], atol=1e-5)
