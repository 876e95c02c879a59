"""`studio` before there is a page: what it refuses, and where it keeps people."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from sweep.cli import main
from sweep.studio.opening import gallery_file
from tests.tiny_tflite import mean_colour_tflite

ROOT = Path(__file__).parents[2]


@pytest.fixture
def refusal(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.tflite").write_bytes(mean_colour_tflite(96, (0.0079, -3)))
    (tmp_path / "float.tflite").write_bytes(mean_colour_tflite(96))

    def run(*arguments: str) -> str:
        assert main(["studio", "--port", "65535", *arguments]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        (line,) = err.splitlines()
        return line.removeprefix("error: ")

    return run


def test_without_the_framework_it_says_how_to_get_it(refusal, monkeypatch) -> None:
    monkeypatch.setattr("sweep.studio.find_spec", lambda name: None)
    assert refusal().endswith("pip install 'facerec-sweep[studio]'")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "run `python -m sweep multirun` first"),
        ("--model nothing.tflite", "--model: got 'nothing.tflite', which does not exist"),
        ("--model float.tflite --threshold 0.5", "got a float32 network, allowed: ptq_int8 or qat_int8"),
        ("--model net.tflite", "no evaluation with a threshold was found, allowed: --threshold COSINE"),
        ("--model net.tflite --threshold 0.5 --gallery people.db", "allowed: a file that ends in .fpdb"),
        ("--model net.tflite --threshold 0.5 --gallery no/people.fpdb", "make the folder first"),
    ],
)
def test_what_cannot_be_opened_is_refused_in_one_line(refusal, line, message) -> None:
    assert message in refusal(*line.split())


def test_a_damaged_gallery_is_refused_before_there_is_a_page(refusal, tmp_path) -> None:
    (tmp_path / "people-int8.fpdb").write_bytes(b"FPDB")
    said = refusal("--model", "net.tflite", "--threshold", "0.5", "--gallery", "people.fpdb")
    assert "people-int8.fpdb: got a damaged gallery" in said


def test_a_flag_that_contradicts_a_gallery_is_refused_as_enroll_does(refusal, tmp_path, capsys) -> None:
    Image.new("RGB", (64, 64), (200, 30, 30)).save(tmp_path / "ada.png")
    made = ["--model", "net.tflite", "--threshold", "0.5"]
    assert main(["enroll", *made, "--gallery", "people-int8.fpdb", "--name", "Ada", "ada.png"]) == 0
    capsys.readouterr()
    said = refusal("--model", "net.tflite", "--threshold", "0.9", "--gallery", "people.fpdb")
    assert said.startswith("--threshold: got 0.9, allowed: 0.5")


def test_a_gallery_is_read_once_to_open_it(refusal, tmp_path, monkeypatch, capsys) -> None:
    Image.new("RGB", (64, 64), (200, 30, 30)).save(tmp_path / "ada.png")
    made = ["--model", "net.tflite", "--threshold", "0.5"]
    assert main(["enroll", *made, "--gallery", "people-int8.fpdb", "--name", "Ada", "ada.png"]) == 0
    read, opened, read_bytes = [], [], Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path.name) or read_bytes(path))
    monkeypatch.setattr("sweep.studio.server.serve", lambda desk, *others: opened.append(desk))
    assert main(["studio", *made, "--gallery", "people.fpdb", "--port", "65535"]) == 0
    assert read.count("people-int8.fpdb") == 1
    assert [one.name for one in opened[0].people()] == ["Ada"]


def test_galleries_lie_beside_each_other() -> None:
    stem = Path("here") / "my.people"
    assert gallery_file(stem, "ptq_int8") == Path("here") / "my.people-ptq_int8.fpdb"


@pytest.mark.skipif(importlib.util.find_spec("nicegui") is None, reason="the extra `studio` is not installed")
def test_neither_help_nor_the_desk_imports_the_framework_or_tensorflow() -> None:
    lines = (
        "import sys; from sweep.cli import main; main(['studio', '--help']); "
        "assert 'sweep.studio.desk' not in sys.modules, 'help is instant'; "
        "import sweep.studio.opening, sweep.studio.desk; "
        "found = {name.partition('.')[0] for name in sys.modules} & {'nicegui', 'tensorflow', 'tf_keras'}; "
        "sys.exit(str(found) if found else 0)"
    )
    done = subprocess.run([sys.executable, "-c", lines], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
