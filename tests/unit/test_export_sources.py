"""What is generated for C: arrays, resolver, constants, golden vectors."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from facerec_core.data.alignment import TEMPLATE, onto_template
from facerec_core.errors import QuantizationError
from facerec_core.export.arrays import ALIGNMENT_BYTES, Array, header, source
from facerec_core.export.golden import Faces, golden_record, make_golden, pictures, split_given, verdict_counts
from facerec_core.export.golden_c import golden_files
from facerec_core.export.golden_faces import rendered_faces
from facerec_core.export.network import (
    ARENA_MARGIN,
    NetworkFacts,
    Threshold,
    arena_bytes,
    landmarks_at,
    network_files,
    thresholds_of,
)
from facerec_core.export.operators import resolver_header, used_operators
from facerec_core.gallery.decoding import decode
from facerec_core.gallery.fixed_point import ONE
from facerec_core.types import Arena, Candidate, TensorScale
from tests.galleries import empty
from tests.records import make_record
from tests.tiny_tflite import mean_colour_tflite

SCALE = TensorScale("int8", 2 / 255, -1)
FACTS = NetworkFacts(
    side=96,
    dimension=8,
    sha256="ab" * 32,
    size_bytes=100,
    input=SCALE,
    output=TensorScale("int8", 0.02, -128),
    operators=("MEAN",),
    arena=arena_bytes(Arena(1000, 400, 600), 900),
    thresholds=(Threshold(1e-3, 0.5, ONE // 2, 1e-3, 0.8, 2e-3, 0.7),),
    far_floor=1e-4,
    aligned=False,
    crop=0.875,
    image_size=128,
    landmarks=landmarks_at(96),
)


def numbers(text: str, name: str) -> list[int]:
    body = re.search(rf"{name}(?:\[\d+\])+ = (\{{[^;]*\}});", text)
    assert body is not None
    return [int(number) for number in re.findall(r"-?\d+", body[1])]


def test_arrays_hold_the_bytes_and_are_aligned_and_constant() -> None:
    content = bytes(range(256)) * 2
    array = Array.of("facerec_model", "The model.", content)
    text = source("facerec_model.h", [array])
    assert bytes(numbers(text, "facerec_model")) == content
    assert "FACEREC_ALIGNED const uint8_t facerec_model[512]" in text
    assert f"aligned({ALIGNMENT_BYTES})" in text
    assert "extern const uint8_t facerec_model[512];" in header("GUARD", [array])
    signed = Array("v", "Vectors.", np.array([[-128, 127], [0, -1]], np.int8))
    assert numbers(source("v.h", [signed]), "v") == [-128, 127, 0, -1]


def test_the_resolver_has_the_operators_of_the_file_and_no_others() -> None:
    assert used_operators(mean_colour_tflite(96, (0.01, 0))) == ("MEAN",)
    text = resolver_header(("ADD", "FULLY_CONNECTED"))
    assert "MicroMutableOpResolver<2>" in text
    assert re.findall(r"resolver\.(\w+)\(\)", text) == ["AddAdd", "AddFullyConnected"]


def test_an_operator_that_cannot_be_registered_is_refused(monkeypatch) -> None:
    monkeypatch.setattr("facerec_core.export.operators.METHODS", {"ADD": "AddAdd"})
    with pytest.raises(QuantizationError, match=r"the operator\(s\) MEAN, which .* allowed: ADD"):
        used_operators(mean_colour_tflite(96, (0.01, 0)))


def test_constants_state_what_the_network_takes() -> None:
    files = {name: content.decode() for name, content in network_files(FACTS, b"TFL3").items() if "tflite" not in name}
    text = files["facerec_network.h"]
    for line in (
        "FACEREC_SIDE 96",
        "FACEREC_INPUT_ZERO_POINT (-1)",
        "FACEREC_OUTPUT_SCALE 0.02",
        "FACEREC_TRAINED_ALIGNED 0",
        "FACEREC_CROP 0.875f",
        "FACEREC_THRESHOLD_COUNT 1",
        f"FACEREC_THRESHOLDS {{{{1000000u, {ONE // 2}}}}}",
        "FACEREC_ARENA_DEVICE_BYTES 900u",
    ):
        assert f"#define {line}\n" in text
    assert bytes(numbers(files["facerec_network.c"], "facerec_model_sha256")).hex() == FACTS.sha256
    assert "aligned by five landmarks" in network_files(replace(FACTS, aligned=True), b"")["facerec_network.h"].decode()


def test_without_a_threshold_none_is_invented() -> None:
    record = make_record(Candidate(0.35, 96, 448), impostor_pairs=1000)
    assert thresholds_of(record.variants) == ()
    text = network_files(replace(FACTS, thresholds=()), b"")["facerec_network.h"].decode()
    assert "FACEREC_THRESHOLD_COUNT 0" in text
    assert "define FACEREC_THRESHOLDS" not in text


def test_thresholds_of_one_file_come_from_every_evaluation_of_it() -> None:
    one = make_record(Candidate(0.35, 96, 448)).variants[1]
    strict = replace(one, validation=replace(one.validation, target_far=1e-4, threshold=0.6))
    assert [(t.far, t.threshold) for t in thresholds_of((one, strict, one))] == [(1e-4, 0.6), (1e-3, 0.42)]


def test_the_arena_has_its_margin_and_its_alignment() -> None:
    assert arena_bytes(Arena(1000, 0, 0), 900).bytes == 1024
    assert arena_bytes(None, 20_000).bytes >= 20_000 * (1 + ARENA_MARGIN)
    assert arena_bytes(None, 20_001).bytes % ALIGNMENT_BYTES == 0


def test_landmarks_lie_where_the_alignment_puts_them() -> None:
    """Faces that lie on the template already are moved nowhere but scaled."""
    for side in (96, 112, 224):
        matrix = onto_template(TEMPLATE, side)
        plane = (TEMPLATE + 0.5) @ matrix[:, :2].T + matrix[:, 2]
        assert np.allclose(landmarks_at(side), plane - 0.5, atol=1e-6)


@pytest.fixture(scope="module")
def golden():
    def colours(images):
        return (images.reshape(len(images), -1, 3).mean(1) - 128).round().astype(np.int8)

    return make_golden(rendered_faces(32), empty(3), SCALE, colours)


def test_every_probe_is_once_known_and_once_unknown(golden) -> None:
    known, unknown = verdict_counts(golden)
    assert min(known, unknown) >= 2 * len(golden.probes) - 2  # at a score of 1 nothing is above it
    assert len({(one.probe, one.method) for one in golden.matches}) == 2 * len(golden.probes)
    assert max(one.match.score for one in golden.matches) > ONE * 0.999  # one of the probes is enrolled


def test_golden_files_say_what_the_record_says(golden) -> None:
    text = golden_files(golden)["facerec_golden.c"].decode()
    assert numbers(text, "facerec_golden_fingerprints") == golden.fingerprints.ravel().tolist()
    assert numbers(text, "facerec_golden_levels") == [value - 128 for value in range(256)]
    assert decode(bytes(numbers(text, "facerec_golden_gallery")), "golden").names == golden.gallery.names
    rows = re.findall(r"\{(\d+)u, FACEREC_(\w+), (-?\d+), ([01]), (\w+), (-?\d+), (\w+), (-?\d+)\}", text)
    record = golden_record(golden)["matches"]
    assert [(int(row[0]), row[1].lower(), bool(int(row[3])), int(row[5])) for row in rows] == [
        (one["probe"], one["method"], one["known"], one["score_q30"]) for one in record
    ]


def test_pixels_come_with_the_golden_vectors(golden) -> None:
    text = golden_files(golden)["facerec_golden_pixels.c"].decode()
    assert numbers(text, "facerec_golden_pixels") == golden.probes.ravel().tolist()
    assert list(pictures(golden.probes)) == [f"face_{number}.png" for number in range(5)]


def test_of_given_images_half_are_enrolled() -> None:
    images = [np.full((4, 4, 3), value, np.uint8) for value in range(5)]
    faces = split_given(images, "mine")
    assert isinstance(faces, Faces)
    assert [int(one[0, 0, 0, 0]) for one in faces.enrolled] == [0, 1, 2]
    assert faces.probes.shape == (5, 4, 4, 3)
