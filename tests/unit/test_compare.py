"""`compare` as typed: what its two words mean, what it prints, and its exit status; the tracker is replaced."""

import json
import shlex
from dataclasses import replace
from types import SimpleNamespace

import pytest

from facerec_core.errors import OptionError
from facerec_core.types import Candidate
from sweep import compare
from sweep.cli import main
from sweep.tracking_sweep import SweepRun
from tests.records import LIMITS, STARTED, as_failed, make_record
from tests.resampled import with_replicates

SMALL, LARGE = Candidate(0.35, 96, 448), Candidate(0.5, 128, 640)


def record_of(candidate, **options):
    return with_replicates(make_record(candidate, **options))


def on_other_pairs(record):
    variants = (replace(one, validation=replace(one.validation, resampling="other")) for one in record.variants)
    return replace(record, variants=tuple(variants))


SWEEPS = {
    "worse": [record_of(SMALL)],
    "before": [record_of(SMALL), replace(record_of(SMALL, seed=1), key="5eed" * 5), record_of(LARGE)],
    "others": [on_other_pairs(record_of(SMALL)), record_of(SMALL, seed=3)],
    "broken": [as_failed(record_of(LARGE))],
}


class Shelf:
    """Stands in for the tracker; the first sweep is the latest."""

    def find_sweeps(self, selector: str):
        sweeps = [SweepRun(name, name, "FINISHED", STARTED, "", 1e-3, LIMITS) for name in SWEEPS]
        if selector in ("latest", "all"):
            return sweeps[:1] if selector == "latest" else sweeps
        if selector not in SWEEPS:
            raise OptionError("sweep", selector, ", ".join(SWEEPS))
        return [one for one in sweeps if one.name == selector]

    def load_records(self, sweep: SweepRun):
        return SWEEPS[sweep.name]


@pytest.fixture(autouse=True)
def shelf(monkeypatch) -> None:
    monkeypatch.setattr(compare, "Tracker", SimpleNamespace(open=lambda *_, **__: Shelf()))


@pytest.fixture
def typed(capsys):
    def run(line: str) -> tuple[int, str, str]:
        status = main(["compare", *shlex.split(line)])
        return (status, *capsys.readouterr())

    return run


def test_two_candidates_side_by_side(typed) -> None:
    status, out, err = typed("0.35@96-448 before:0.5@128-640")
    assert (status, err) == (0, "")
    assert "A = 0.35@96-448 QAT of sweep worse" in out
    assert "B = 0.5@128-640 QAT of sweep before" in out
    for name in ("tar_at_far_1e-3", "file_bytes", "arena_bytes", "latency_ms", "parameters"):
        assert f"\n{name} " in out
    assert "not regressed: TAR at FAR 1e-3 on validation changed by +" in out


def test_the_status_says_whether_it_regressed_beyond_the_drop(typed) -> None:
    status, out, _ = typed("before:0.5@128-640 worse:0.35@96-448")
    assert status == 1
    assert "\nregressed: TAR at FAR 1e-3 on validation changed by −" in out
    assert "wholly below 0.0" in out
    status, out, _ = typed("before:0.5@128-640 worse:0.35@96-448 --max-drop 0.9")
    assert status == 0
    assert "does not lie wholly below −90.0" in out


def test_json_has_every_figure_unrounded(typed) -> None:
    status, out, _ = typed("before:0.5@128-640 0.35@96-448 --json --variant ptq_int8 --split test --max-drop 0.01")
    found = json.loads(out)
    assert (status, found["verdict"], found["max_drop"], found["split"], found["paired"]) == (
        1,
        "regressed",
        0.01,
        "test",
        True,
    )
    assert (found["a"]["variant"], found["b"]["sweep"], found["unpaired_because"]) == ("ptq_int8", "worse", None)
    expected = SWEEPS["worse"][0].variants[1].test.tar_at_far["1e-3"]
    metric = found["metric"]
    assert metric["b"] == expected
    assert metric["difference"] == metric["b"] - metric["a"]
    assert metric["interval"]["low"] < metric["difference"] < metric["interval"]["high"]
    assert {"file_bytes", "latency_ms", "eer"} <= {figure["name"] for figure in found["figures"]}


def test_a_key_and_a_label_name_a_candidate(typed) -> None:
    key = SWEEPS["before"][1].key[:8]
    _, out, _ = typed(f"{key} 'before:0.35@96-448 seed 0'")
    assert f"A = 0.35@96-448 seed 1 QAT of sweep before (candidate {key})" in out
    assert "B = 0.35@96-448 seed 0 QAT of sweep before" in out
    _, out, _ = typed(f"before:{key} {'5eed' * 5}")
    assert out.count("0.35@96-448 seed 1 QAT of sweep before") == 2
    _, out, _ = typed("0.5@128-640 0.5@128-640 sweep=before")
    assert out.count("0.5@128-640 QAT of sweep before") == 2


def test_two_sweeps_are_matched_and_what_they_recommend_decides(typed) -> None:
    status, out, _ = typed("before latest")
    assert status == 1
    assert "A = sweep before, B = sweep worse" in out
    assert "Only in before: 0.35@96-448 seed 1 QAT, 0.5@128-640 QAT" in out
    assert "What each recommends:\nA = 0.5@128-640 QAT of sweep before" in out
    status, out, _ = typed("latest before --json")
    found = json.loads(out)
    assert (status, found["sweeps"], found["recommended"]["verdict"]) == (0, ["worse", "before"], "held")
    (pair,) = found["candidates"]
    assert (pair["a"]["label"], pair["b"]["label"]) == ("0.35@96-448 QAT", "0.35@96-448 seed 0 QAT")
    assert found["only_b"] == ["0.35@96-448 seed 1 QAT", "0.5@128-640 QAT"]


def test_other_pairs_are_printed_and_refused_unless_allowed(typed) -> None:
    line = "before:0.5@128-640 'others:0.35@96-448 seed 0'"
    status, out, err = typed(line)
    assert status == 2
    assert "No interval for the difference: tar_at_far_1e-3: got evaluations of validation" in out
    assert "not judged: TAR at FAR 1e-3 on validation changed by −" in out
    assert err.startswith("error: not judged: tar_at_far_1e-3: ")
    assert err.count("\n") == 1
    status, out, err = typed(f"{line} --allow-unpaired")
    assert (status, err) == (1, "")
    assert "noise was not looked at" in out
    assert typed(f"{line} --allow-unpaired --max-drop 1")[0] == 0


def test_a_sweep_that_recommends_nothing_is_printed_and_not_judged(typed) -> None:
    status, out, err = typed("before broken")
    assert status == 2
    assert "Only in before: " in out
    assert "not judged: sweep broken recommends nothing" in err


def test_another_false_accept_rate_can_be_asked_for(typed) -> None:
    _, out, _ = typed("0.35@96-448 before:0.5@128-640 target_far=1e-2")
    assert "TAR at FAR 1e-2 on validation changed by" in out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "compare: got '', allowed: two candidates or two sweeps"),
        ("before", "compare: got 'before', allowed: two candidates or two sweeps"),
        ("before worse others", "compare: got 'before worse others', allowed: two candidates or two sweeps"),
        ("before 0.35@96-448", "compare: got '0.35@96-448', allowed: a sweep, because before is one"),
        ("0.35@96-448 before", "compare: got 'before', allowed: a candidate, because 0.35@96-448 is one"),
        ("befor before", "compare: got 'befor', allowed: a sweep's name, latest, "),
        ("gone:0.35@96-448 before", "sweep: got 'gone', allowed: worse, before"),
        ("before:0.35@96-448 latest", "compare: got '0.35@96-448', allowed: one candidate of sweep before: "),
        (
            "broken:0.5@128-640 0.35@96-448",
            f"compare: got '{SWEEPS['broken'][0].key}', allowed: one with an int8 variant; it is failed and has none",
        ),
        ("before latest --max-drop 2", "--max-drop: got '2', allowed: 0 to 1"),
        ("before latest --max-drop nan", "--max-drop: got 'nan', allowed: 0 to 1"),
        ("before latest --variant int4", "--variant: got 'int4', allowed: qat_int8, ptq_int8, float32"),
        ("before latest --split train", "--split: got 'train', allowed: validation, test"),
    ],
)
def test_refusals(line, message, typed) -> None:
    status, out, err = typed(line)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error: {message}")
