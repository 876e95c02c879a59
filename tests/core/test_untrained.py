"""Files of untrained networks: the same bytes every time, converted once, stripped."""

import pytest

from facerec_core.arch import layers
from facerec_core.footprint import predict_file_bytes
from facerec_core.strip import strip
from facerec_core.tflite import check_fully_int8
from facerec_core.types import Candidate
from facerec_core.untrained import untrained_files, untrained_int8, untrained_path

pytestmark = pytest.mark.slow
SMALL = Candidate(0.35, 96, 64)


@pytest.fixture(scope="module")
def content():
    return untrained_int8(SMALL)


def test_the_file_is_int8_stripped_and_of_the_size_of_a_trained_one(content) -> None:
    check_fully_int8(content)
    assert strip(content) == content
    assert len(content) == pytest.approx(predict_file_bytes(layers(0.35, 96, 64)), rel=0.01)


def test_the_same_candidate_gives_the_same_bytes(content) -> None:
    assert untrained_int8(SMALL) == content


def test_files_are_made_once_and_progress_is_told(content, tmp_path) -> None:
    told = []
    folder = tmp_path / "models"
    paths = untrained_files([SMALL], folder, lambda *event: told.append(event))
    assert paths == {SMALL: untrained_path(SMALL, folder)}
    assert paths[SMALL].read_bytes() == content
    assert told == [(0, 1, SMALL)]
    untrained_files([SMALL], folder, lambda *event: told.append(event))
    assert len(told) == 1
    paths[SMALL].write_bytes(content[:-1000])
    untrained_files([SMALL], folder, lambda *event: told.append(event))
    assert paths[SMALL].read_bytes() == content
    assert len(told) == 2
