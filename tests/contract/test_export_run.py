"""`export` in one process, out of a tracker, with a network of one operator that TensorFlow Lite Micro really runs."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import subprocess
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from facerec_core.arena import arena_is_measurable
from facerec_core.device import export_files
from facerec_core.errors import QuantizationError
from facerec_core.export.host_build import host_compiler, run_self_test
from facerec_core.gallery.decoding import decode
from facerec_core.gallery.encoding import encode
from facerec_core.gallery.files import read_gallery
from facerec_core.types import Candidate
from sweep.cli import main
from sweep.tracking import Tracker
from tests.device_program import COMPILERS, SANITIZED, cmake
from tests.exports import EXPERIMENT, LIMITS, Tracked, track, with_files
from tests.records import as_failed, make_limit, make_record
from tests.tiny_tflite import mean_colour_tflite

pytestmark = [
    pytest.mark.skipif(not arena_is_measurable(), reason="no TensorFlow Lite Micro on this machine"),
    pytest.mark.skipif(host_compiler() is None, reason="no C compiler on this machine"),
]
CANDIDATE = Candidate(0.35, 96, 448)
STANDIN = Path(__file__).parents[1] / "export_standin"
SCALES = {"float32": None, "ptq_int8": (0.0079, -3), "qat_int8": (0.0080, 2)}


def content(scheme: str) -> bytes:
    return mean_colour_tflite(96, SCALES[scheme])


@pytest.fixture(scope="module")
def tracked(tmp_path_factory) -> Tracked:
    folder = tmp_path_factory.mktemp("tracked")
    return track(folder, with_files(make_record(CANDIDATE), folder, content, 3))


@pytest.fixture
def typed(tracked, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda line: main(["export", *shlex.split(line), f"paths.root={tracked.root}"])


@pytest.fixture
def refusal(typed, capsys):
    def run(line: str, status: int = 2) -> str:
        assert typed(line) == status
        out, err = capsys.readouterr()
        assert out == ""
        assert not Path("firmware").exists()
        (said,) = [line for line in err.splitlines() if not line.startswith("[")]
        return said.removeprefix("error: ")

    return run


@pytest.fixture(scope="module")
def exported(tracked, tmp_path_factory) -> Path:
    """BEST, whatever it is, with all defaults."""
    out = tmp_path_factory.mktemp("exported") / "firmware"
    assert main(["export", "--out", str(out), f"paths.root={tracked.root}"]) == 0
    return out


def manifest(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def test_every_file_is_there_under_its_hash(exported, tracked) -> None:
    lines = (exported / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    listed = {name: digest for digest, name in (line.split("  ") for line in lines)}
    found = {str(path.relative_to(exported)) for path in exported.rglob("*") if path.is_file()}
    assert set(listed) == found - {"SHA256SUMS"}
    for name, digest in listed.items():
        assert hashlib.sha256((exported / name).read_bytes()).hexdigest() == digest
    said = manifest(exported)
    assert {one["path"]: one["sha256"] for one in said["files"]} == {
        name: digest for name, digest in listed.items() if name != "manifest.json"
    }
    assert said["mlflow_run"] == tracked.runs[said["scheme"]]
    assert (exported / "network" / "facerec_model.tflite").read_bytes() == content(said["scheme"])


def test_what_was_checked_is_stated(exported) -> None:
    checked = manifest(exported)["verification"]
    assert checked["golden"] == {"images": 5, "equal": 5, "largest_step": 0}
    assert checked["end_to_end"]["agreement"] == {"images": 16, "equal": 16, "largest_step": 0}
    assert checked["end_to_end"]["micro"] == checked["end_to_end"]["lite_rt"]
    assert checked["self_test"]["said"] == "30 of 30 matches compared, 0 check(s) failed"
    assert checked["not_checked"] == []
    assert checked["interpreter"] == f"tflite-micro {version('tflite-micro')}"
    card = (exported / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "16 validation images: TensorFlow Lite Micro gives 16 of 16 fingerprints exactly" in card
    assert "The faces were rendered." in card


def test_people_are_enrolled_with_an_export_alone(exported, tmp_path, monkeypatch, capsys) -> None:
    """No tracker is near; threshold and preparation are the card's, and of a file that was changed nothing is."""
    monkeypatch.chdir(tmp_path)
    folder = shutil.copytree(exported, tmp_path / "firmware")
    face = shlex.quote(str(exported / "golden" / "face_0.png"))
    line = f"--gallery g.fpdb --model firmware {face} paths.root=nowhere"
    assert main(["enroll", "--name", "Ada", *shlex.split(line)]) == 0
    card = json.loads((folder / "model_card.json").read_text(encoding="utf-8"))
    gallery = read_gallery(Path("g.fpdb"))
    assert gallery.model.scheme == card["scheme"]
    assert [(one.far, one.fixed) for one in gallery.thresholds] == [
        (one["far"], one["score"]) for one in card["network"]["thresholds"]
    ]
    assert (gallery.preparation.image_side, gallery.preparation.crop) == (card["network"]["image_size"], 1.0)
    assert main(["identify", *shlex.split(line)]) == 0
    assert "face_0.png: Ada, score 1.0" in capsys.readouterr().out.replace("0.9999", "1.0")
    with (folder / "network" / "facerec_model.tflite").open("ab") as file:
        file.write(b"\0")
    assert main(["identify", *shlex.split(line)]) == 2
    assert "is another file than the card is of; export again" in capsys.readouterr().err


@pytest.mark.parametrize("compiler", COMPILERS)
def test_the_self_test_passes_under_the_sanitizers(exported, compiler) -> None:
    done = run_self_test(exported, SANITIZED, compiler)
    assert done is not None
    assert done.said.endswith("0 check(s) failed")


def test_the_self_test_finds_a_fingerprint_that_was_changed(exported, tmp_path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(exported, copy)
    source = copy / "golden" / "facerec_golden.c"
    head, name, rest = source.read_text().partition("facerec_golden_fingerprints[5][3] = {\n{")
    first, comma, others = rest.partition(",")
    source.write_text(f"{head}{name}{int(first) ^ 1}{comma}{others}")
    with pytest.raises(QuantizationError, match=r"self-test failed .* FAILED: another score"):
        run_self_test(copy)


def test_a_run_or_a_key_names_a_variant(typed, tracked, capsys) -> None:
    key, runs = tracked.record.key, tracked.runs
    for line, scheme in (
        (f"candidate={runs['ptq_int8']}", "ptq_int8"),
        (f"candidate={runs['candidate']} variant=qat_int8", "qat_int8"),
        (f"candidate={key[:6]} variant=ptq_int8 sweep=small", "ptq_int8"),
        ("variant=ptq_int8", "ptq_int8"),
    ):
        assert typed(f"{line} --out firmware --force --verify-images 0") == 0
        said = manifest(Path("firmware"))
        assert (said["scheme"], said["candidate_key"]) == (scheme, key)
        assert said["verification"]["end_to_end"] is None
        assert "--verify-images was 0" in said["verification"]["not_checked"][0]
    assert "warning: no validation images were judged" in capsys.readouterr().out


def test_unknown_candidates_are_answered_with_those_that_are_known(refusal, tracked) -> None:
    key = tracked.record.key
    assert f"known: {key[:8]} (0.35@96-448, complete)" in refusal("candidate=nobody --out firmware")
    assert "latest, all, small" in refusal("sweep=another --out firmware")
    assert "0123456789abcdef" in refusal(f"candidate={'0123456789abcdef' * 2} --out firmware")
    assert "allowed: ethos-u55-32, ethos-u55-64" in refusal("--out firmware --ethos-u cortex-m7")
    assert "it is of float32" in refusal(f"candidate={tracked.runs['float32']} --out firmware")
    assert "allowed: ptq_int8, of which run" in refusal(
        f"candidate={tracked.runs['ptq_int8']} variant=qat_int8 --out firmware"
    )


def test_what_is_no_variant_of_a_device_is_refused(refusal) -> None:
    assert refusal("variant=float32 --out firmware").startswith("variant: got 'float32', allowed: qat_int8, ptq_int8")
    assert refusal("candidate= --out firmware").startswith("candidate: got ''")


def test_a_folder_with_something_in_it_is_refused_unless_forced(typed, tracked, capsys) -> None:
    Path("taken").mkdir()
    Path("taken/kept.txt").write_text("mine")
    assert typed("--out taken --verify-images 0") == 2
    assert "--force replaces what is in it" in capsys.readouterr().err
    assert Path("taken/kept.txt").exists()
    assert typed("--out . --force --verify-images 0") == 2
    assert "--force would delete everything in this one" in capsys.readouterr().err
    assert typed(f"--out {tracked.root}/artifacts --force --verify-images 0") == 2
    assert any((tracked.root / "artifacts").iterdir())
    assert typed("--out taken --force --verify-images 0") == 0
    assert not Path("taken/kept.txt").exists()
    assert Path("taken/manifest.json").exists()
    assert not list(Path().glob(".taken*"))


def test_golden_vectors_can_be_of_ones_own_images(typed, exported) -> None:
    names = [str(exported / "golden" / f"face_{number}.png") for number in range(4)]
    assert typed(f"{shlex.join(names)} --out firmware --verify-images 0") == 0
    golden = json.loads(Path("firmware/golden/golden.json").read_text(encoding="utf-8"))
    assert (golden["people"], len(golden["probes"])) == (["Person 1", "Person 2"], 4)
    assert golden["origin"] == "4 images that were given"


def test_an_ethos_u_gets_the_compiled_network(typed) -> None:
    pytest.importorskip("ethosu.vela")
    assert typed("--out firmware --verify-images 0 --ethos-u ethos_u55_128") == 0
    vela = json.loads(Path("firmware/ethos_u/vela.json").read_text(encoding="utf-8"))
    compiled = Path("firmware/ethos_u/facerec_model_vela.tflite").read_bytes()
    assert (vela["accelerator"], vela["size_bytes"]) == ("ethos-u55-128", len(compiled))
    listed = {one["path"]: one["sha256"] for one in manifest(Path("firmware"))["files"]}
    assert listed["ethos_u/facerec_model_vela.tflite"] == hashlib.sha256(compiled).hexdigest()
    assert "for ethos-u55-128" in Path("firmware/MODEL_CARD.md").read_text(encoding="utf-8")
    assert "`ethos_u/`" in Path("firmware/README.md").read_text(encoding="utf-8")


def test_one_image_is_too_few_and_a_broken_one_is_named(refusal, tmp_path) -> None:
    (tmp_path / "no.png").write_bytes(b"no image")
    assert "2 or more image files" in refusal("no.png --out firmware")
    assert "no.png: not a JPEG" in refusal("no.png no.png --out firmware")


@pytest.fixture(scope="module")
def troubled(tmp_path_factory) -> Path:
    """A sweep in which one candidate exceeds a limit, one failed, and the file of one is not what it was."""
    folder = tmp_path_factory.mktemp("troubled")
    tracker = Tracker.open(folder / "mlruns", None, EXPERIMENT)
    over = with_files(make_record(CANDIDATE), folder, content, 3)
    checks = (make_limit("file_bytes", "file_bytes", 2000, 1000), *over.feasibility.checks)
    small = {**over.config, "board": {**over.config["board"], "ram_bytes": 1000}}
    over = replace(over, feasibility=replace(over.feasibility, checks=checks), key="aaaa0000", config=small)
    smaller = tuple(replace(one, file=replace(one.file, size_bytes=2000)) for one in over.variants)
    failed = replace(as_failed(make_record(Candidate(0.5, 96, 640))), key="bbbb0000")
    with tracker.sweep("over", "python -m sweep run", {}, 1e-3, LIMITS) as sweep:
        tracker.log_candidate(sweep, replace(over, variants=smaller), folder)
        tracker.log_candidate(sweep, failed, folder)
    return folder / "mlruns"


def test_over_the_limit_is_refused_unless_allowed(troubled, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    shared = ["--out", "firmware", "--verify-images", "0", f"paths.root={troubled}"]
    assert main(["export", *shared]) == 2
    assert "aaaa0000 (0.35@96-448, complete), bbbb0000 (0.5@96-640, failed)" in capsys.readouterr().err
    assert main(["export", "candidate=aaaa", *shared]) == 2
    assert "file_bytes 2,000 of 1,000 bytes (exceeded)" in capsys.readouterr().err
    assert main(["export", "candidate=bbbb", *shared]) == 2
    assert "it is failed and has none" in capsys.readouterr().err
    assert not Path("firmware").exists()
    assert main(["export", "candidate=aaaa", "--allow-over-limit", *shared]) == 0
    assert "| exceeded |" in Path("firmware/MODEL_CARD.md").read_text(encoding="utf-8")
    assert "warning: With TensorFlow Lite Micro it does not fit stm32f746: the arena takes" in capsys.readouterr().out


def test_what_the_boards_memory_cannot_hold_is_refused(tmp_path, monkeypatch, capsys) -> None:
    """Its own runtime may get along with less: every limit of the sweep is kept."""
    monkeypatch.chdir(tmp_path)
    record = with_files(make_record(CANDIDATE), tmp_path, content, 3)
    small = replace(record, config={**record.config, "board": {**record.config["board"], "ram_bytes": 1000}})
    tracker = Tracker.open(tmp_path / "mlruns", None, EXPERIMENT)
    with tracker.sweep("small", "python -m sweep run", {}, 1e-3, LIMITS) as sweep:
        tracker.log_candidate(sweep, small, tmp_path)
    assert main(["export", "--out", "firmware", "--verify-images", "0"]) == 2
    said = capsys.readouterr().err
    assert "it does not fit stm32f746: the arena takes" in said
    assert "bytes of 1,000" in said
    assert "--allow-over-limit" in said
    assert not Path("firmware").exists()


def test_a_network_that_computes_something_else_on_the_device_is_not_exported(refusal, monkeypatch) -> None:
    from facerec_core.export import micro

    def wrong(content, images, scale, report=None):
        return micro.micro_fingerprints(content, images, scale) ^ 2

    monkeypatch.setattr("sweep.export.checks.micro_fingerprints", wrong)
    assert "differ from LiteRT's by up to 2 steps, allowed: 1" in refusal("--out firmware", status=1)


def test_without_the_interpreter_it_is_refused_unless_allowed(typed, refusal, monkeypatch) -> None:
    monkeypatch.setattr("sweep.export.act.arena_trouble", lambda: "the package tflite-micro is not installed")
    assert "--allow-unverified exports without checking" in refusal("--out firmware")
    assert typed("--out firmware --allow-unverified") == 0
    card = Path("firmware/MODEL_CARD.md").read_text(encoding="utf-8")
    assert "Not checked: nothing was run in TensorFlow Lite Micro" in card
    assert "predicted, not measured" in card


def standin_options(folder: Path) -> list[str]:
    """A stand-in for TensorFlow Lite Micro, whose library was built in `folder`."""
    library = folder / "libstandin.a"
    given = {"TFLM_DIR": STANDIN, "TFLM_LIBRARY": library, "TFLM_INCLUDES": STANDIN, "CMAKE_CXX_FLAGS": "-Wall -Werror"}
    return [f"-D{name}={value}" for name, value in given.items()]


@pytest.fixture(scope="module")
def build(exported, tmp_path_factory) -> Path:
    """The whole CMake project, with a stand-in for TensorFlow Lite Micro."""
    if shutil.which("cmake") is None or shutil.which("c++") is None:
        pytest.skip("no cmake or no C++ compiler on this machine")
    folder = tmp_path_factory.mktemp("build")
    empty = folder / "nothing.c"
    empty.write_text("int nothing;\n")
    subprocess.run(["cc", "-c", str(empty), "-o", str(folder / "nothing.o")], check=True)
    subprocess.run(["ar", "rcs", str(folder / "libstandin.a"), str(folder / "nothing.o")], check=True)
    return cmake(exported, folder / "b", *standin_options(folder))


def said_by(program: Path) -> list[str]:
    done = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout.splitlines()


def test_the_example_names_who_the_pc_names(build, exported) -> None:
    golden = json.loads((exported / "golden" / "golden.json").read_text(encoding="utf-8"))
    first = {one["probe"]: one for one in reversed(golden["matches"]) if one["method"] == "best"}
    wanted = [first[probe]["nearest"] if first[probe]["known"] else "unknown" for probe in sorted(first)]
    assert said_by(build / "example") == wanted
    assert len(wanted) == 5


def test_the_example_takes_a_gallery_that_was_put_into_the_library(build, exported, tmp_path) -> None:
    """The golden people under another name, exported as a gallery is; then those of another network."""
    whole = decode((exported / "golden" / "gallery.fpdb").read_bytes(), "golden")
    renamed = replace(whole, names=tuple(f"Own {name}" for name in whole.names))
    other = replace(whole, model=replace(whole.model, sha256="00" * 32))
    copy = tmp_path / "copy"
    shutil.copytree(exported, copy)
    own = [name if name == "unknown" else f"Own {name}" for name in said_by(build / "example")]
    for gallery, wanted in ((renamed, own), (other, ["the gallery is of another network"])):
        for name, content in export_files(encode(gallery)).items():
            (copy / "library" / name).write_bytes(content)
        cmake(copy, tmp_path / "b", *standin_options(build.parent))
        done = subprocess.run([str(tmp_path / "b" / "example")], capture_output=True, text=True, check=False)
        assert done.stdout.splitlines() == wanted
        assert done.returncode == int(gallery is other)


def test_the_self_test_of_the_device_compares_every_fingerprint(build) -> None:
    lines = said_by(build / "self_test_tflm")
    assert [line for line in lines if line.startswith("face")] == [f"face {n}: 0 step(s) apart" for n in range(5)]
    assert lines[-1].startswith("0 check(s) failed")
