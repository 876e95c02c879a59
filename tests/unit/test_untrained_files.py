"""The folder of untrained files: what is in it can be used, whatever happened to a command before."""

import errno
from pathlib import Path

import pytest

from facerec_core import untrained
from facerec_core.errors import StorageError
from facerec_core.types import Candidate
from facerec_core.untrained import untrained_files, untrained_path
from tests.tiny_tflite import mean_colour_tflite

ONE, OTHER = Candidate(0.35, 96, 64), Candidate(0.35, 128, 64)
WHOLE = mean_colour_tflite(32, (0.5, 3))


@pytest.fixture
def converted(monkeypatch):
    """The candidates that were converted; conversion itself is played by a file of one operator."""
    done = []

    def convert(candidates, _report):
        for candidate in candidates:
            done.append(candidate)
            yield candidate, WHOLE

    monkeypatch.setattr(untrained, "_converted", convert)
    return done


def silent(*_event) -> None:
    pass


@pytest.mark.parametrize("content", [b"", WHOLE[:8], WHOLE[: len(WHOLE) // 2], WHOLE[:-16], bytes(len(WHOLE))])
def test_a_file_that_was_cut_is_made_again(converted, tmp_path, content) -> None:
    paths = untrained_files([ONE, OTHER], tmp_path, silent)
    paths[ONE].write_bytes(content)
    assert untrained_files([ONE, OTHER], tmp_path, silent)[ONE].read_bytes() == WHOLE
    assert converted == [ONE, OTHER, ONE]


def test_a_full_disk_leaves_no_part_of_a_file(converted, tmp_path, monkeypatch) -> None:
    def full(path: Path, content: bytes) -> None:
        path.write_bytes(content[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(untrained, "write_file", full)
    with pytest.raises(
        StorageError, match=r"cannot write .*mobilenetv2_0\.35_96_64_v1\.tflite: No space left"
    ) as caught:
        untrained_files([ONE], tmp_path, silent)
    assert "paths.root=" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_converted(converted, tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "models"):
        with pytest.raises(StorageError, match=r"cannot (read|write) .*file"):
            untrained_files([ONE], folder, silent)
    assert converted == []


def test_a_folder_by_the_name_of_a_file_is_named(converted, tmp_path) -> None:
    untrained_path(ONE, tmp_path).mkdir()
    with pytest.raises(StorageError, match=r"cannot read .*_v1\.tflite: Is a directory"):
        untrained_files([ONE], tmp_path, silent)
