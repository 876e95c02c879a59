"""Real files of the grid against prediction and golden figures: every width at its ends, 0.5 at every resolution.

The other half of the grid is measured by `python -m docs.footprint_table FOLDER`; it takes three minutes.
"""

import numpy as np
import pytest
from ai_edge_litert.interpreter import OpResolverType

from docs.footprint_table import GRID, candidate_of, read_golden
from facerec_core import untrained
from facerec_core.arch import layers, resolve_embedding
from facerec_core.arena import arena_is_measurable, measure_arena
from facerec_core.footprint import predict_arena, predict_file_bytes
from facerec_core.quantize import convert_float
from facerec_core.strip import strip
from facerec_core.types import Arena, Candidate
from tests.interpreters import lite_rt, micro

pytestmark = pytest.mark.slow
CANDIDATES = [
    candidate
    for candidate in GRID
    if candidate.embedding == resolve_embedding("scaled", candidate.width)
    and (candidate.width == 0.5 or candidate.resolution in (96, 224))
]
GOLDEN = {candidate_of(row): row for row in read_golden()}
SMALL = Candidate(0.35, 96, 448)
needs_interpreter = pytest.mark.skipif(not arena_is_measurable(), reason="tflite-micro is not installed here")


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """The stripped files, converted in a process of their own."""
    return untrained.untrained_files(CANDIDATES, tmp_path_factory.mktemp("grid"), lambda *_: None)


@pytest.mark.parametrize("candidate", CANDIDATES, ids=str)
def test_the_file_has_the_size_that_was_predicted_and_measured_before(files, candidate) -> None:
    size = files[candidate].stat().st_size
    network = layers(candidate.width, candidate.resolution, candidate.embedding)
    assert predict_file_bytes(network) == pytest.approx(size, rel=0.002)
    assert int(GOLDEN[candidate]["file_bytes"]) == pytest.approx(size, rel=0.001)


@needs_interpreter
@pytest.mark.parametrize("candidate", CANDIDATES, ids=str)
def test_the_arena_is_the_one_that_was_predicted_and_measured_before(files, candidate) -> None:
    measured = measure_arena(files[candidate].read_bytes())
    row = GOLDEN[candidate]
    network = layers(candidate.width, candidate.resolution, candidate.embedding)
    assert measured == predict_arena(network, pointer_bytes=8)
    parts = ("host_total_bytes", "host_persistent_bytes", "host_activation_bytes")
    assert measured == Arena(*(int(row[part]) for part in parts))


@pytest.fixture(scope="module")
def as_converted():
    """The int8 file of the smallest network as the converter leaves it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(untrained, "strip", lambda content: content)
        return untrained.untrained_int8(SMALL)


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(-128, 128, (1, 96, 96, 3), dtype=np.int8)


def test_stripping_saves_a_fifth_of_the_smallest_file(as_converted) -> None:
    assert len(strip(as_converted)) < 0.8 * len(as_converted)


@pytest.mark.parametrize("resolver", [OpResolverType.AUTO, OpResolverType.BUILTIN_REF])
def test_stripping_changes_no_output_of_lite_rt(as_converted, image, resolver) -> None:
    want = lite_rt(as_converted, image, resolver)
    assert len(np.unique(want)) > 50
    np.testing.assert_array_equal(lite_rt(strip(as_converted), image, resolver), want)


@needs_interpreter
def test_stripping_changes_no_output_of_the_micro_interpreter(as_converted, image) -> None:
    stripped = micro(strip(as_converted), image)
    np.testing.assert_array_equal(stripped, micro(as_converted, image))
    np.testing.assert_array_equal(stripped, lite_rt(as_converted, image, OpResolverType.BUILTIN_REF))


def test_a_float32_file_survives(image) -> None:
    from facerec_core.model import build_network

    content = convert_float(build_network(Candidate(0.35, 96, 32))).content
    stripped, pixels = strip(content), image.astype(np.float32) / 128
    assert len(stripped) < len(content)
    for resolver in (OpResolverType.AUTO, OpResolverType.BUILTIN_REF):
        want = lite_rt(content, pixels, resolver)
        assert want.any()
        np.testing.assert_array_equal(lite_rt(stripped, pixels, resolver), want)
