"""The verbs enroll, identify, verify and gallery, in one process, on a network of one operator."""

from __future__ import annotations

import hashlib
import io
import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facerec_core.data.images import decode_face, resize_face
from facerec_core.gallery.files import read_gallery
from facerec_core.notes import EvaluationNotes
from facerec_core.record_json import dump_record
from facerec_core.tflite import Interpreter
from facerec_core.types import TensorScale
from sweep.cli import main
from tests.records import make_records
from tests.tiny_tflite import mean_colour_tflite

SIDE = 96
NETWORK = mean_colour_tflite(SIDE, (0.0079, -3))
COLOURS = {"red": (220, 60, 50), "red2": (200, 80, 60), "blue": (40, 70, 230), "blue2": (60, 60, 200)}


def picture(colour: tuple[int, int, int]) -> bytes:
    """One colour with noise, so that no two images are equal."""
    noise = np.random.default_rng(sum(colour)).integers(-20, 20, (120, 100, 3))
    out = io.BytesIO()
    Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(autouse=True)
def desk(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("net.tflite").write_bytes(NETWORK)
    for name, colour in COLOURS.items():
        Path(f"{name}.png").write_bytes(picture(colour))
    return tmp_path


@pytest.fixture
def said(capsys):
    def run(line: str) -> str:
        status = main(shlex.split(line))
        out, err = capsys.readouterr()
        assert (status, err) == (0, "")
        return out

    return run


@pytest.fixture
def refusal(capsys):
    def run(line: str) -> str:
        assert main(shlex.split(line)) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        return err.removeprefix("error: ").rstrip("\n")

    return run


def enrol(said, *, model: str = "net.tflite", more: str = "--threshold 0.9") -> None:
    said(f"enroll --gallery g.fpdb --model {model} --name 'Red Ada' red.png {more}")
    said(f"enroll --gallery g.fpdb --model {model} --name Blau blue.png")


def test_people_are_enrolled_and_known_again(said) -> None:
    enrol(said)
    answer = json.loads(said("identify --gallery g.fpdb --model net.tflite red2.png blue2.png --json"))
    assert [one["person"] for one in answer["images"]] == ["Red Ada", "Blau"]
    for one in answer["images"]:
        assert one["known"]
        assert one["margin"] == pytest.approx(one["score"] - answer["threshold"])
        assert one["margin_to_second"] > 0
    text = said("identify --gallery g.fpdb --model net.tflite red2.png")
    assert text.startswith("red2.png: Red Ada, score 0.9")
    assert "threshold 0.9000 (set by hand)" in text


def test_below_the_threshold_is_nobody(said) -> None:
    enrol(said)
    line = "identify --gallery g.fpdb --model net.tflite red2.png --threshold 0.9999999"
    (one,) = json.loads(said(f"{line} --json"))["images"]
    assert (one["known"], one["person"], one["nearest"]) == (False, None, "Red Ada")
    assert one["margin"] < 0
    assert "red2.png: unknown, nearest Red Ada" in said(line)


def test_fingerprints_are_those_of_images_prepared_as_training_images(said) -> None:
    enrol(said, more="--threshold 0.9 --crop 0.8 data.image_size=64")
    gallery = read_gallery(Path("g.fpdb"))
    assert (gallery.preparation.image_side, gallery.preparation.crop) == (64, 0.8)
    face = resize_face(decode_face(Path("red.png").read_bytes(), 64, 0.8), SIDE)
    expected = Interpreter(Path("net.tflite"), kernels="reference", batch_size=1).raw(face[None])
    assert np.array_equal(gallery.fingerprints_of(gallery.names.index("Red Ada")), expected)
    assert gallery.model.sha256 == hashlib.sha256(NETWORK).hexdigest()


def test_verify_says_whether_two_images_show_one_person(said) -> None:
    line = "verify --model net.tflite --threshold 0.9"
    same = json.loads(said(f"{line} red.png red2.png --json"))
    other = json.loads(said(f"{line} red.png blue.png --json"))
    assert (same["same"], other["same"]) == (True, False)
    assert same["score"] > 0.9 > other["score"]
    assert "red.png and blue.png: two people" in said(f"{line} red.png blue.png")


def test_list_info_and_remove(said, refusal) -> None:
    enrol(said)
    assert said("gallery list --gallery g.fpdb").splitlines() == ["     1  Blau", "     1  Red Ada", "2 people"]
    info = json.loads(said("gallery info --gallery g.fpdb --json"))
    assert (info["people"], info["fingerprints"], info["dimension"], info["method"]) == (2, 2, 3, "best")
    assert info["thresholds"] == [{"target_far": None, "threshold": pytest.approx(0.9)}]
    assert "2 people, 2 fingerprints of 3 numbers" in said("gallery info --gallery g.fpdb")
    assert "1 people are left" in said("gallery remove --gallery g.fpdb --name 'Red Ada'")
    assert json.loads(said("gallery list --gallery g.fpdb --json")) == {"people": [{"name": "Blau", "fingerprints": 1}]}
    assert "got 'Red Ada', allowed: one of the 1 people" in refusal("gallery remove --gallery g.fpdb --name 'Red Ada'")
    said("gallery remove --gallery g.fpdb --name Blau")
    assert "the gallery is empty" in said("identify --gallery g.fpdb --model net.tflite red.png")


def test_export_writes_the_gallery_and_the_library(said, refusal) -> None:
    enrol(said)
    size = Path("g.fpdb").stat().st_size
    assert f"{size} bytes of flash" in said("gallery export --gallery g.fpdb --out firmware")
    array = Path("firmware/facerec_people.c").read_text()
    numbers = array.partition("{")[2].partition("}")[0].split(",")
    assert bytes(map(int, numbers)) == Path("g.fpdb").read_bytes()
    assert f"FACEREC_PEOPLE_BYTES {size}u" in Path("firmware/facerec_people.h").read_text()
    assert Path("firmware/facerec_match.c").is_file()
    assert "is there already" in refusal("gallery export --gallery g.fpdb --out firmware")


def test_another_network_is_refused(said, refusal) -> None:
    enrol(said)
    Path("other.tflite").write_bytes(mean_colour_tflite(SIDE, (0.0078, -3)))
    for verb in ("identify --gallery g.fpdb", "enroll --name Eve --gallery g.fpdb"):
        message = refusal(f"{verb} --model other.tflite red.png")
        assert "g.fpdb: was made with another network" in message
        assert "cannot be compared" in message


def test_broken_images_are_named_and_nothing_is_enrolled(said, refusal) -> None:
    Path("broken.png").write_bytes(picture((1, 2, 3))[:200])
    Path("empty.jpg").write_bytes(b"")
    enrol(said)
    before = Path("g.fpdb").read_bytes()
    for name, reason in (
        ("broken.png", "broken.png: "),
        ("empty.jpg", "the file is empty"),
        ("no.jpg", "No such file"),
    ):
        line = f"enroll --gallery g.fpdb --model net.tflite --name Eve red2.png {name}"
        assert reason in refusal(line)
    assert "more than data.max_image_bytes=9" in refusal(
        "verify --model net.tflite --threshold 0 red.png blue.png data.max_image_bytes=9"
    )
    assert Path("g.fpdb").read_bytes() == before


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("gallery", "gallery: got '', allowed: list, info, remove, export"),
        ("gallery lst --gallery g.fpdb", "gallery: got 'lst'"),
        ("gallery list", "--gallery is missing"),
        ("gallery list --gallery no.fpdb", "no.fpdb: got no such file"),
        ("gallery list --gallery net.tflite", "a file that is no gallery"),
        ("gallery list --gallery g.fpdb --name x", "gallery list takes no --name"),
        ("gallery list --gallery g.fpdb red.png", "got 'red.png', allowed: flags"),
        ("gallery remove --gallery g.fpdb", "--name is missing"),
        ("enroll --gallery g.fpdb --model net.tflite red.png", "--name is missing"),
        ("enroll --gallery g.db --model net.tflite --name x red.png", "ends in .fpdb"),
        ("enroll --gallery g.fpdb --model net.tflite --name x red.png", "no evaluation with a threshold was found"),
        ("enroll --gallery no/g.fpdb --model net.tflite --name x --threshold 0 red.png", "make the folder first"),
        ("enroll --gallery g.fpdb --name x --threshold 0 red.png", "--model is missing"),
        ("enroll --gallery g.fpdb --model net.tflite --name x --threshold 0", "got 0 image(s), allowed: 1 or more"),
        ("enroll --gallery g.fpdb --model net.tflite --name 'a\x1bb' red.png", "got 'a\\x1bb', allowed: 1 to 128"),
        ("verify --model net.tflite --threshold 0 red.png", "got 1 image(s), allowed: 2"),
        ("verify --model net.tflite --threshold 1.5 red.png blue.png", "--threshold: got '1.5', allowed: a cosine"),
        ("verify --model net.tflite --threshold nan red.png blue.png", "--threshold: got 'nan'"),
        ("verify --model net.tflite --crop 0 red.png blue.png", "--crop: got '0', allowed: 0.1 to 1"),
        ("verify --model absent --threshold 0 red.png blue.png", "--model: got 'absent', which does not exist"),
        ("verify --model red.png --threshold 0 red.png blue.png", "red.png: got no readable .tflite"),
        ("verify --model . --threshold 0 red.png blue.png", "allowed: a stage's folder, with one"),
    ],
)
def test_what_is_refused(refusal, line, reason) -> None:
    if "--model ." in line:
        Path("second.tflite").write_bytes(NETWORK)
    assert reason in refusal(line)
    assert not Path("g.fpdb").exists()


def test_a_float_network_is_refused(refusal) -> None:
    Path("float.tflite").write_bytes(mean_colour_tflite(SIDE))
    assert "got a float32 network, allowed: ptq_int8 or qat_int8" in refusal(
        "verify --model float.tflite --threshold 0 red.png blue.png"
    )


@pytest.mark.parametrize(
    ("flag", "kept"), [("--method mean", "best"), ("--crop 0.5", "1.0"), ("--threshold 0.1", "0.9")]
)
def test_what_a_gallery_was_made_with_stays(said, refusal, flag, kept) -> None:
    enrol(said)
    message = refusal(f"enroll --gallery g.fpdb --model net.tflite --name Eve red2.png {flag}")
    assert flag.split()[0] in message
    assert f"allowed: {kept}" in message


def test_names_of_files_that_act_on_terminals_are_escaped(said) -> None:
    name = "red\x1b[2J.png"
    Path(name).write_bytes(picture(COLOURS["red"]))
    out = said(f"verify --model net.tflite --threshold 0 '{name}' red.png")
    assert "\x1b" not in out
    assert "red\\x1b[2J.png" in out


def test_landmarks_align_as_they_do_for_training(said, refusal) -> None:
    points = "30,40,70,40,50,60,35,80,65,80"
    header = "name,lx,ly,rx,ry,nx,ny,mlx,mly,mrx,mry"
    Path("points.csv").write_text(f"{header}\nred.png,{points}\n")
    line = "verify --model net.tflite --threshold 0 --landmarks points.csv red.png"
    assert "has no landmarks of blue.png" in refusal(f"{line} blue.png")
    Path("points.csv").write_text(f"{header}\nred.png,{points}\nblue.png,{points}\n")
    aligned = json.loads(said(f"{line} blue.png --json"))
    plain = json.loads(said("verify --model net.tflite --threshold 0 red.png blue.png --json"))
    assert aligned["score"] != plain["score"]


@pytest.fixture
def stages() -> Path:
    """A stage with the network and its evaluations at two FARs, as a sweep leaves them."""
    folder = Path("stages")
    file = folder / "ptq-abc" / "ptq_int8.tflite"
    file.parent.mkdir(parents=True)
    file.write_bytes(NETWORK)
    variant = make_records(1)[0].variants[1]
    described = replace(
        variant.file,
        path="ptq-abc/ptq_int8.tflite",
        sha256=hashlib.sha256(NETWORK).hexdigest(),
        output=TensorScale("int8", 0.0079, -3),
    )
    for key, far, threshold in (("x", 1e-3, 0.75), ("y", 1e-2, 0.5)):
        judged = replace(variant.validation, target_far=far, threshold=threshold)
        notes = EvaluationNotes(1.0, replace(variant, file=described, validation=judged))
        (folder / f"eval-ptq_int8-{key}").mkdir()
        (folder / f"eval-ptq_int8-{key}" / "evaluation.json").write_text(dump_record(notes))
    return folder


@pytest.mark.parametrize("model", ["ptq-abc", "eval-ptq_int8-x", "ptq-abc/ptq_int8.tflite"])
def test_the_threshold_is_that_of_the_evaluation(said, stages, model) -> None:
    enrol(said, model=str(stages / model), more="")
    gallery = read_gallery(Path("g.fpdb"))
    assert [(one.far, one.threshold) for one in gallery.thresholds] == [(1e-3, 0.75), (1e-2, 0.5)]
    assert gallery.model.scheme == "ptq_int8"


def test_another_target_far_has_another_threshold(said, refusal, stages) -> None:
    model = f"--model {stages / 'ptq-abc'}"
    line = f"verify {model} red.png red2.png"
    assert json.loads(said(f"{line} --json target_far=1e-2"))["threshold"] == 0.5
    assert "no threshold for it, allowed: target_far=0.001, target_far=0.01" in refusal(f"{line} target_far=1e-1")
    assert json.loads(said(f"{line} --json --threshold 0.25"))["threshold"] == 0.25
    said(f"enroll --gallery g.fpdb {model} --name Ada red.png")
    asked = json.loads(said(f"identify --gallery g.fpdb {model} red.png --json target_far=1e-2"))
    assert (asked["threshold"], asked["target_far"]) == (0.5, 1e-2)


def test_a_file_that_is_not_the_evaluated_one_has_no_threshold(refusal, stages) -> None:
    file = stages / "ptq-abc" / "ptq_int8.tflite"
    file.write_bytes(mean_colour_tflite(SIDE, (0.0078, -3)))
    assert "no evaluation with a threshold" in refusal(f"verify --model {file} red.png red2.png")
