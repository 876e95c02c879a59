"""The model card, and the checks it reports."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from facerec_core.errors import OptionError, QuantizationError, StorageError
from facerec_core.export import folder as folder_module
from facerec_core.export.card import Checked, Subject, misfits, model_card
from facerec_core.export.card_text import card_markdown, plain, rate
from facerec_core.export.folder import appearing, to_json, write_files
from facerec_core.export.host_build import LibrarySize
from facerec_core.export.verification import Agreement, check_agreement, check_end_to_end, resolved_metric
from facerec_core.types import Candidate, IdentificationRates, Interval, LimitCheck, OverDraws, TensorScale
from sweep.arguments import parse_flags
from sweep.export import run as export_run
from sweep.export.checks import check_folder, check_limits, check_memory, images_to_judge
from tests.records import make_groups, make_limit, make_record, with_groups
from tests.unit.test_export_sources import FACTS

BOARD = {"name": "small", "deployed_as": "interpreted", "ram_bytes": 800, "flash_bytes": 50}
CONFIG = {"data": {"kind": "celeba"}, "train": {"init": "imagenet"}, "quant": {}, "board": BOARD}
CHECKED = Checked(Agreement(5, 5, 0), None, None, ("no validation images were judged",), "tflite-micro 0.1")


def subject(**changes) -> Subject:
    record = replace(make_record(Candidate(0.35, 96, 448)), config=CONFIG)
    library = (LibrarySize("cortex-m4", "gcc | 12", "-Os", 2087, 0, 0),)
    base = Subject("0.35 QAT", record, record.variants[2], (), FACTS, CHECKED, "rendered", library, None)
    return replace(base, **changes)


def test_the_card_is_strict_json_and_the_page_comes_of_it_alone() -> None:
    card = model_card(subject())
    again = json.loads(to_json(card))
    assert card_markdown(again) == card_markdown(card)
    assert again["network"]["sha256"] == FACTS.sha256
    assert again["accuracy"]["test"]["tar_at_far"] == dict(subject().variant.test.tar_at_far)


def test_the_page_states_the_figures_of_the_record() -> None:
    one = subject(limits=(make_limit("file_bytes", "file_bytes", 900, 1000),))
    variant = one.variant
    test = replace(variant.test, intervals={"tar_at_far_1e-3": Interval(0.25, 0.75)})
    page = card_markdown(model_card(replace(one, variant=replace(variant, test=test))))
    tar = test.tar_at_far["1e-3"]
    assert f"{rate(tar)} (25.00% to 75.00%) |" in page
    assert "| 0.001 | 0.500000 | 536870912 | 0.10% | 80.00% | 0.20% | 70.00% |" in page
    assert "| file_bytes | file_bytes | 900 | 1,000 bytes | 100 bytes | ok |" in page
    assert "2,087 bytes of text" in page
    assert "A fingerprint in a gallery: 12 bytes; a person: 9 more" in page  # 8 numbers and their length
    assert "gcc &#124; 12" in page
    assert "5 of 5 fingerprints exactly" in page
    assert "that of the package tflite-micro 0.1." in page
    assert "no groups were given" in page


def test_a_limit_is_not_rounded_until_it_contradicts_its_verdict() -> None:
    close = LimitCheck("latency_ms", "latency_high_ms", 12.4, 12.5, "ms", -0.1, "ok")
    page = card_markdown(model_card(subject(limits=(close,))))
    assert "| latency_ms | latency_high_ms | 12.4 | 12.5 ms | 0.1 ms | ok |" in page


def test_the_folder_one_is_in_is_refused_before_anything_is_checked(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError, match="beside or below the one you are in"):
        check_folder(SimpleNamespace(out=Path(), flags=SimpleNamespace(force=False)))


def test_an_image_whose_name_has_an_equals_sign_is_an_image(monkeypatch) -> None:
    asked = []
    composer = SimpleNamespace(one=lambda overrides: asked.append(overrides))
    monkeypatch.setattr("sweep.export.act.act", lambda request: asked.append(request.images) or 0)
    flags = parse_flags("export", ["./a=b.jpg", "c.jpg", "sweep=demo", "--out", "fw"])
    assert export_run(flags, composer, "export") == 0
    assert asked == [["sweep=demo"], ("./a=b.jpg", "c.jpg")]


def test_groups_are_listed() -> None:
    record = with_groups(subject().record, make_groups())
    page = card_markdown(model_card(subject(record=record, variant=record.variants[2])))
    assert "| older | 700 | 230 | 0.40% | 61.00% |" in page
    assert "| rare | 8 | 4 | – | – |" in page


def test_searches_of_a_gallery_are_listed() -> None:
    rates = {"rank_1": OverDraws(0.9, 0.02), "fnir": None, "unknown_rejected": OverDraws(0.75, 0.01)}
    found = IdentificationRates(10, 3, "best", 10, 200, 300, fnir_at_fpir={}, **rates)
    one = subject()
    variant = replace(one.variant, test=replace(one.variant.test, identification=(found,)))
    page = card_markdown(model_card(replace(one, variant=variant)))
    assert "| 10 | 3 | best | 90.00% ± 2.00% | – | 75.00% ± 1.00% |" in page


def test_caveats_say_what_does_not_hold() -> None:
    said = " ".join(model_card(subject())["caveats"])
    assert "does not fit stm32f746: the arena takes 900 bytes of 800" in said
    assert "the file takes 100 bytes of 50" in said
    assert [misfit in said for misfit in misfits(subject().record, FACTS)] == [True, True]
    assert "Not checked: no validation images were judged" in said
    assert "rendered" not in said
    bare = " ".join(model_card(subject(facts=replace(FACTS, thresholds=())))["caveats"])
    assert "There is no threshold" in bare


def test_what_fits_the_board_misfits_nothing() -> None:
    roomy = {**CONFIG, "board": {**BOARD, "ram_bytes": 900, "flash_bytes": 100}}
    assert misfits(replace(subject().record, config=roomy), FACTS) == ()
    unknown = {**CONFIG, "board": {"name": "host"}}
    assert misfits(replace(subject().record, config=unknown), FACTS) == ()


def test_licences_name_what_came_from_others() -> None:
    said = " ".join(model_card(subject())["licences"])
    assert "CelebA is for non-commercial research" in said
    assert "train.init" in said
    assert "train.teacher" not in said


def test_text_from_outside_means_nothing_in_markdown() -> None:
    assert plain("<b>a|b</b>\n`x` [l](u)") == "&#60;b&#62;a&#124;b&#60;/b&#62; &#96;x&#96; &#91;l&#93;(u)"


def test_one_step_apart_is_allowed_and_two_are_not() -> None:
    one = np.zeros((3, 4), np.int8)
    other = one.copy()
    other[1, 2] = 1
    assert check_agreement(one, other, "faces") == Agreement(3, 2, 1)
    other[2, 0] = -2
    with pytest.raises(QuantizationError, match=r"faces: .* by up to 2 steps, allowed: 1"):
        check_agreement(one, other, "faces")
    extremes = np.array([[127]], np.int8)
    with pytest.raises(QuantizationError, match="255 steps"):
        check_agreement(extremes, np.array([[-128]], np.int8), "faces")


def people(count: int, each: int):
    """Fingerprints of people who are told apart by their sign alone, and their faces."""
    from facerec_core.data.selection import face_set
    from facerec_core.data.source import ImageRef

    refs = [ImageRef(f"{person}/{image}", str(person)) for person in range(count) for image in range(each)]
    faces = face_set(refs, np.zeros((len(refs), 2, 2, 3), np.uint8), {})
    rng = np.random.default_rng(3)
    centres = rng.integers(-3, 4, (count, 16)).repeat(each, 0)
    return faces, (centres + rng.integers(-1, 2, centres.shape)).astype(np.int8)


def test_equal_fingerprints_give_equal_rates() -> None:
    faces, fingerprints = people(20, 4)
    found = check_end_to_end(faces, fingerprints, fingerprints, TensorScale("int8", 0.1, 0), 1e-3)
    assert found.micro == found.lite_rt
    assert found.interval is not None
    assert found.interval.low <= found.micro <= found.interval.high
    assert found.metric == "tar_at_far_1e-2"  # 3,040 impostors resolve no less than 0.0099
    assert (found.identities, found.genuine_pairs) == (20, 120)


def test_a_rate_outside_the_interval_is_refused_although_no_number_is_two_steps_off() -> None:
    faces, fingerprints = people(20, 4)
    faint = np.sign(fingerprints)
    spoilt = np.where(np.random.default_rng(5).random(faint.shape) < 0.8, 0, faint).astype(np.int8)
    with pytest.raises(QuantizationError, match="through TensorFlow Lite Micro, allowed"):
        check_end_to_end(faces, faint, spoilt, TensorScale("int8", 0.1, 0), 1e-1)


def test_the_rate_is_that_of_the_smallest_far_the_pairs_resolve() -> None:
    one = subject().variant.test
    assert resolved_metric(one, 1e-3) == "tar_at_far_1e-3"
    coarse = replace(one, tar_at_far={"1e-1": 0.9, "1e-2": None, "1e-3": None})
    assert resolved_metric(coarse, 1e-3) == "tar_at_far_1e-1"
    assert resolved_metric(replace(one, tar_at_far={"1e-1": None}), 1e-1) == "accuracy"


def test_limits_are_kept_or_named() -> None:
    over = make_limit("file_bytes", "file_bytes", 2000, 1000)
    check_limits((make_limit("file_bytes", "file_bytes", 900, 1000),), allowed=False)
    check_limits((over,), allowed=True)
    undecided = replace(over, verdict="undecided")
    for one in (over, undecided):
        with pytest.raises(OptionError, match=f"{one.verdict}.*--allow-over-limit"):
            check_limits((one,), allowed=False)


def test_what_the_board_cannot_hold_is_refused_unless_allowed():
    check_memory((), allowed=False)
    check_memory(("The arena takes 900 bytes of 800.",), allowed=True)
    with pytest.raises(OptionError, match=r"900 bytes of 800.*--allow-over-limit"):
        check_memory(("The arena takes 900 bytes of 800.",), allowed=False)


def test_larger_networks_are_judged_on_fewer_images() -> None:
    assert [images_to_judge(None, macs) for macs in (11_000_000, 50_000_000, 10**9)] == [300, 150, 60]
    assert images_to_judge(0, 11_000_000) == 0
    assert images_to_judge(7, 10**9) == 7


def test_selectors_are_no_overrides() -> None:
    flags = parse_flags("export", ["candidate=ab12", "variant=ptq_int8", "sweep=demo", "a.png", "--out", "x"])
    assert (flags.candidate, flags.variant, flags.overrides) == ("ab12", "ptq_int8", ["sweep=demo", "a.png"])
    assert (parse_flags("export", []).candidate, parse_flags("export", []).variant) == ("BEST", None)
    with pytest.raises(OptionError, match="--verify-images"):
        parse_flags("export", ["--verify-images", "many"])


def _fail_half_way(out: Path) -> None:
    with appearing(out) as folder:
        (folder / "one").write_text("1")
        raise ValueError("half-way")


def test_a_folder_appears_whole_or_not_at_all(tmp_path) -> None:
    out = tmp_path / "new" / "firmware"
    with pytest.raises(ValueError, match="half-way"):
        _fail_half_way(out)
    assert not out.exists()
    out.mkdir(parents=True)
    (out / "old").write_text("0")
    with appearing(out) as folder:
        (folder / "one").write_text("1")
        assert (out / "old").exists()
    assert [path.name for path in out.iterdir()] == ["one"]
    assert [path.name for path in out.parent.iterdir()] == ["firmware"]


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch) -> None:
    out = tmp_path / "firmware"
    out.mkdir()
    (out / "old").write_text("0")

    def full(path, content) -> None:
        path.write_bytes(content[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(folder_module, "write_file", full)
    with pytest.raises(StorageError, match=r"--out: cannot write .*firmware: No space left"), appearing(out) as folder:
        write_files(folder, {"library/one.c": b"1"})
    assert [path.name for path in tmp_path.rglob("*")] == ["firmware", "old"]
