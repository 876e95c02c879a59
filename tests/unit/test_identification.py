"""Open-set identification against plain loops, and where its figures are known beforehand."""

import numpy as np
import pytest

from facerec_core import identification as module
from facerec_core import metrics
from facerec_core.identification import identification
from facerec_core.protocol import draw_pairs


def faces(people=60, images=5, noise=0.8, size=16, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), images)
    centres = rng.normal(size=(people, size))[labels]
    rows = (centres + noise * rng.normal(size=(labels.size, size))).astype(np.float32)
    return metrics.unit_length(rows), labels


def slow(probes, gallery, draw, rule, threshold):
    """(rank-1, FNIR and rejected share at the threshold) of one draw, search by search."""

    def score(image, person):
        enrolled = gallery[draw.enrolled[person]]
        if rule == "best":
            return max(float(probes[image] @ one) for one in enrolled)
        mean = np.mean(enrolled, axis=0)
        return float(probes[image] @ (mean / np.linalg.norm(mean)))

    searches = [[score(image, person) for person in range(len(draw.enrolled))] for image in draw.known]
    first = [int(np.argmax(found)) == mate for found, mate in zip(searches, draw.mate, strict=True)]
    reached = [found[mate] >= threshold for found, mate in zip(searches, draw.mate, strict=True)]
    strangers = [max(score(image, person) for person in range(len(draw.enrolled))) for image in draw.unknown]
    missed = 1 - np.mean(np.logical_and(first, reached))
    return np.mean(first), missed, np.mean(np.array(strangers) < threshold)


@pytest.mark.parametrize("other_gallery", [False, True])
def test_rates_equal_those_of_plain_loops(monkeypatch, other_gallery):
    monkeypatch.setattr(module, "GALLERIES", (10,))
    probes, labels = faces()
    gallery = faces(noise=0.7)[0] if other_gallery else probes
    found = identification(probes, labels, 0.6, gallery if other_gallery else None, draws=2)
    assert [(rates.enrolled_images, rates.rule) for rates in found] == [(1, "mean"), (3, "mean"), (3, "best")]
    for rates in found:
        draws = module._draws(labels, 10, rates.enrolled_images, 2)
        expected = np.array([slow(probes, gallery, draw, rates.rule, 0.6) for draw in draws])
        means = (rates.rank_1.mean, rates.fnir.mean, rates.unknown_rejected.mean)
        deviations = (rates.rank_1.deviation, rates.fnir.deviation, rates.unknown_rejected.deviation)
        assert means == pytest.approx(expected.mean(0), abs=1e-6)
        assert deviations == pytest.approx(expected.std(0, ddof=1), abs=1e-6)
        assert (rates.gallery, rates.draws, rates.unknown_probes) == (10, 2, 250)
        assert rates.known_probes == 10 * (5 - rates.enrolled_images)


def test_people_told_apart_without_fail():
    labels = np.repeat(np.arange(40), 5)
    for rates in identification(np.eye(40, dtype=np.float32)[labels], labels, 0.5):
        assert (rates.rank_1.mean, rates.fnir.mean, rates.unknown_rejected.mean) == (1, 0, 1)
        assert rates.rank_1.deviation == 0


def test_somebody_else_as_similar_is_a_miss():
    labels = np.repeat(np.arange(40), 5)
    for rates in identification(np.ones((200, 1), np.float32), labels, 0.5):
        assert (rates.rank_1.mean, rates.fnir.mean, rates.unknown_rejected.mean) == (0, 1, 0)


def test_fingerprints_of_zeros_are_never_named():
    labels = np.repeat(np.arange(40), 5)
    for rates in identification(np.zeros((200, 4), np.float32), labels, 0.5):
        assert (rates.rank_1.mean, rates.fnir.mean, rates.unknown_rejected.mean) == (0, 1, 1)


def test_a_larger_gallery_and_a_stricter_fpir_are_harder():
    probes, labels = faces(people=700, noise=1.0)
    found = {(r.gallery, r.enrolled_images, r.rule): r for r in identification(probes, labels, 0.6)}
    small, large = found[10, 3, "mean"], found[100, 3, "mean"]
    assert small.fnir_at_fpir["1e-1"].mean < large.fnir_at_fpir["1e-1"].mean
    assert large.fnir_at_fpir["1e-1"].mean < large.fnir_at_fpir["1e-2"].mean
    assert small.unknown_rejected.mean > large.unknown_rejected.mean
    assert large.rank_1.mean < small.rank_1.mean
    assert large.rank_1.mean > found[100, 1, "mean"].rank_1.mean, "three images are better than one"


def test_sizes_the_images_do_not_allow_are_left_out():
    assert identification(*faces(people=16), 0.5) != ()
    assert identification(*faces(people=15), 0.5) == (), "25 images of strangers are too few"
    assert {r.enrolled_images for r in identification(*faces(people=60, images=3), 0.5)} == {1}
    assert identification(*faces(people=60, images=1), 0.5) == ()


def test_what_strangers_cannot_resolve_and_no_threshold_are_none():
    for rates in identification(*faces(people=60), None):
        assert rates.fnir_at_fpir == {"1e-1": None, "1e-2": None}
        assert (rates.fnir, rates.unknown_rejected) == (None, None)
    assert identification(*faces(people=70), None)[0].fnir_at_fpir["1e-1"] is not None


def test_only_the_test_split_is_searched():
    probes, labels = faces()
    options = {"identities": 60, "target_far": 1e-2, "threshold": 0.5}
    validation = metrics.evaluate(probes, labels, draw_pairs(labels, 0), split="validation", **options)
    test = metrics.evaluate(probes, 5 * labels + 2, draw_pairs(labels, 0), split="test", **options)
    assert validation.identification == ()
    assert test.identification == identification(probes, labels, 0.5)


def test_galleries_of_the_float_network_are_searched_on_test_alone():
    probes, labels = faces()
    gallery, pairs = 3 * faces(noise=0.7)[0], draw_pairs(labels, 0)
    options = {"identities": 60, "target_far": 1e-2, "threshold": 0.5, "gallery": gallery}
    test = metrics.evaluate(probes, labels, pairs, split="test", **options)
    assert test.float_gallery == identification(probes, labels, 0.5, metrics.unit_length(gallery))
    assert test.identification == identification(probes, labels, 0.5)
    assert test.float_gallery != test.identification
    assert metrics.evaluate(probes, labels, pairs, split="validation", **options).float_gallery == ()
    assert metrics.evaluate(probes, labels, pairs, split="test", **options | {"gallery": None}).float_gallery == ()
