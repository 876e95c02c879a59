"""The C library: strict C99 under every compiler here, under sanitizers, and equal to Python in every number."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest

from facerec_core.device import LIBRARY, SOURCES, export_files
from facerec_core.errors import DataError
from facerec_core.gallery.decoding import decode
from facerec_core.gallery.encoding import encode
from facerec_core.gallery.fixed_point import MOST_DIMENSIONS, compare
from facerec_core.gallery.match import Match, Matcher
from facerec_core.gallery.records import FarThreshold
from facerec_core.tflite import quantize_input
from facerec_core.types import TensorScale
from tests.device_program import COMPILERS, STRICT, build, talk
from tests.galleries import drawn, empty, people, with_checksum

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not COMPILERS, reason="neither gcc nor clang on this machine"),
]
OK, DAMAGED = "status 0", ("status 1", "status 2", "status 3", "status 4")
NOBODY = 2**32 - 1
CROSS = shutil.which("arm-none-eabi-gcc")


@pytest.fixture(scope="module", params=COMPILERS or ["none"])
def program(request, tmp_path_factory):
    return build(request.param, tmp_path_factory.mktemp("host"))


def line(way: str, match: Match) -> str:
    person, second = (NOBODY if one is None else one for one in (match.person, match.second))
    margins = f"{match.score - match.threshold} {match.score - match.second_score}"
    return f"{way} {int(match.known)} {person} {match.score} {second} {match.second_score} {margins}"


def expected(gallery, probe) -> list[str]:
    """What the program says of one probe."""
    last = gallery.thresholds[-1].fixed
    lines = [line("own", Matcher(gallery).match(probe))]
    lines += [line(method, Matcher(gallery, method).match(probe, last)) for method in ("best", "mean")]
    if len(gallery.vectors):
        lines.append(f"first {compare(gallery.vectors[0], probe, gallery.model.zero_point)}")
    return lines


def random_gallery(seed: int):
    rng = np.random.default_rng(seed)
    dimension = int(rng.choice([1, 2, 3, 5, 64, 127, 640, 1280, MOST_DIMENSIONS]))
    thresholds = tuple(FarThreshold.of(value, 10.0 ** -(at + 1)) for at, value in enumerate(rng.uniform(-1, 1, 3)))
    zero_point = int(rng.choice([-128, -100, -3, 0, 127]))
    gallery = empty(dimension, zero_point, ("best", "mean")[seed % 2], thresholds)
    return people({f"Ö{n}": int(rng.integers(1, 4)) for n in range(rng.integers(0, 6))}, gallery)


def test_every_score_and_verdict_equals_pythons(program) -> None:
    galleries = [random_gallery(seed) for seed in range(120)]
    cases = []
    for seed, gallery in enumerate(galleries):
        d = gallery.model.dimension
        extremes = np.array([[127], [-128], [gallery.model.zero_point]], np.int8).repeat(d, 1)
        known = gallery.vectors.reshape(-1, d)[:2]
        cases.append((encode(gallery), np.concatenate([drawn(seed + 1000, 3, d), extremes, known])))
    answers = talk(program, cases)
    for gallery, (_, probes), answer in zip(galleries, cases, answers, strict=True):
        assert answer == [OK, *(text for probe in probes for text in expected(gallery, probe))]


def test_extremes_of_the_longest_fingerprints(program) -> None:
    gallery = empty(MOST_DIMENSIONS, 127)
    gallery = people({"Ada": 2}, gallery)
    probe = np.full((1, MOST_DIMENSIONS), -128, np.int8)
    (answer,) = talk(program, [(encode(gallery), probe)])
    assert answer[1:] == expected(gallery, probe[0])


def test_names_and_rows_are_found(program) -> None:
    gallery = people({"Ada": 2, "Bö": 1, "李": 3})
    (answer,) = talk(program, [(encode(gallery), drawn(0, 0))], "names")
    names = [name.encode().hex() for name in gallery.names]
    assert answer[1:] == [f"person 0 2 {names[0]}", f"person 2 3 {names[1]}", f"person 3 6 {names[2]}"]


def test_a_fingerprint_of_another_length_is_refused(program) -> None:
    (answer,) = talk(program, [(encode(people({"Ada": 1})), drawn(0, 1, 7))])
    assert answer == [OK, "own refused 6", "best refused 6", "mean refused 6"]


def test_more_may_lie_behind_a_gallery_in_flash(program) -> None:
    content = encode(people({"Ada": 1}))
    (answer,) = talk(program, [(content + b"\xff" * 99, drawn(0, 0))])
    assert answer == [OK]


def damaged(rng: np.random.Generator, content: bytes) -> bytes:
    """Bytes changed, a few numbers set to extremes, cut or grown; most with a checksum that fits."""
    changed = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(0, len(changed) - 4))
        if rng.random() < 0.5:
            changed[at] = int(rng.integers(0, 256))
        else:
            extreme = int(rng.choice([0, 1, 2, 127, 128, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1]))
            at &= ~3
            changed[at : at + 4] = extreme.to_bytes(4, "little")
    if rng.random() < 0.2:
        changed = changed[: rng.integers(0, len(changed))]
        if len(changed) > 12 and rng.random() < 0.8:
            changed[8:12] = len(changed).to_bytes(4, "little")
    return with_checksum(bytes(changed)) if rng.random() < 0.9 and len(changed) > 4 else bytes(changed)


def accepted(content: bytes) -> bool:
    try:
        decode(content, "fuzzed")
    except DataError:
        return False
    return True


def test_thousands_of_damaged_galleries_crash_nothing_and_are_judged_as_python_judges_them(program) -> None:
    rng = np.random.default_rng(20)
    whole = [encode(people({"Ada": 2, "Bö": 1, "李\U0001f600": 1}, empty(d))) for d in (1, 6, 8, 33)]
    contents = [damaged(rng, whole[number % len(whole)]) for number in range(6000)]
    answers = talk(program, [(content, drawn(1, 1)) for content in contents], "names")
    verdicts = [accepted(content) for content in contents]
    for verdict, answer in zip(verdicts, answers, strict=True):
        assert answer[0] == OK if verdict else answer[0] in DAMAGED
    assert 200 < sum(verdicts) < len(verdicts) - 2000  # both kinds were tried


def test_every_text_is_a_name_to_both_or_to_neither(program) -> None:
    """Names of up to four bytes of all kinds, in place of one that is known."""
    rng = np.random.default_rng(4)
    base = encode(people({"Name": 1}))
    at = base.index(b"Name\0")
    kinds = [0x41, 0x7F, 0x80, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2, 0xDF, 0xE0, 0xED, 0xEF, 0xF0, 0xF4, 0xF5, 0x8F, 0x90, 0]
    texts = {bytes(rng.choice(kinds, 4).astype(np.uint8)) for _ in range(4000)}
    contents = [with_checksum(base[:at] + text + base[at + 4 :]) for text in sorted(texts)]
    answers = talk(program, [(content, drawn(0, 0)) for content in contents])
    verdicts = [accepted(content) for content in contents]
    assert [answer == [OK] for answer in answers] == verdicts
    assert 10 < sum(verdicts) < len(verdicts)


SCALES = [(2 / 255, -1), (1 / 127.5, -1), (float(np.float32(2 / 255)), -1), (0.0079, -3), (0.00392, 0), (0.02, 100)]


def test_pixels_become_the_input_python_feeds(program) -> None:
    asked = "".join(f"{scale!r} {zero_point}\n" for scale, zero_point in SCALES)
    done = subprocess.run([str(program), "levels"], input=asked, capture_output=True, text=True, check=True)
    pixels = np.arange(256, dtype=np.uint8)
    for (scale, zero_point), answer in zip(SCALES, done.stdout.splitlines(), strict=True):
        wanted = quantize_input(pixels, TensorScale("int8", scale, zero_point))
        assert answer.split() == [str(value) for value in wanted.tolist()]
    assert done.stdout.splitlines()[0].split() == [str(pixel - 128) for pixel in range(256)]
    refused = subprocess.run([str(program), "levels"], input="0 0\n-1 0\nnan 0\n", capture_output=True, text=True)
    assert refused.stdout.splitlines() == ["refused"] * 3


@pytest.mark.skipif(CROSS is None, reason="no arm-none-eabi-gcc on this machine")
@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m7"])
def test_it_is_small_on_the_device_and_keeps_nothing_in_ram(tmp_path, core) -> None:
    objects = []
    for module in SOURCES:
        objects.append(tmp_path / f"{module}.o")
        flags = [f"-mcpu={core}", "-mthumb", *STRICT, "-Os", "-c", str(LIBRARY / f"{module}.c"), "-o", str(objects[-1])]
        done = subprocess.run([CROSS, *flags], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    sizes = subprocess.run(["arm-none-eabi-size", "-t", *objects], capture_output=True, text=True, check=True)
    text, data, bss = map(int, sizes.stdout.splitlines()[-1].split()[:3])
    assert (data, bss) == (0, 0)
    assert 0 < text < 3072
    symbols = subprocess.run(["arm-none-eabi-nm", "-u", *objects[:3]], capture_output=True, text=True, check=True)
    needed = {word for word in symbols.stdout.split() if word.startswith("__aeabi") or "alloc" in word}
    assert needed <= {"__aeabi_uldivmod", "__aeabi_ldivmod"}, "no floating point and no heap in a match"


def test_the_example_of_the_documentation_compiles(tmp_path) -> None:
    page = (LIBRARY.parents[2] / "docs" / "gallery.md").read_text(encoding="utf-8")
    example = page.partition("```c\n")[2].partition("```")[0]
    for name, content in export_files(encode(people({"Ada": 1}))).items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "example.c").write_text(example, encoding="utf-8")
    assert "facerec_identify" in example
    for compiler in COMPILERS:
        command = [compiler, *STRICT, "-c", "example.c", "-o", "example.o"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("cmake") is None, reason="no cmake on this machine")
def test_an_exported_gallery_builds_as_it_is(tmp_path) -> None:
    for name, content in export_files(encode(people({"Ada": 1}))).items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "main.c").write_text(
        '#include "facerec_match.h"\n#include "facerec_people.h"\nint main(void) {\n  facerec_gallery gallery;\n'
        "  return (int)facerec_gallery_open(&gallery, facerec_people, sizeof facerec_people);\n}\n"
    )
    with (tmp_path / "CMakeLists.txt").open("a") as lists:
        lists.write("add_executable(main main.c)\ntarget_link_libraries(main facerec_match)\n")
    for command in (["cmake", "-S", str(tmp_path), "-B", str(tmp_path / "build")], ["cmake", "--build", "build"]):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert subprocess.run([str(tmp_path / "build" / "main")], check=False).returncode == 0
