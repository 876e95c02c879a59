"""Records and the sentences made of them."""

from dataclasses import replace

from facerec_core.budget import check
from facerec_core.cost import cost
from facerec_core.latency import estimate
from facerec_core.pipeline import Outcome
from facerec_core.record_json import dump_record
from facerec_core.task import Task
from facerec_core.types import Candidate, Failure, Feasibility, LimitCheck
from sweep import records
from sweep.executors.carrying import Finished
from sweep.points import Point, point_names
from sweep.search.objectives import DIRECTIONS, judged_record
from sweep.tracking_verdict import judged, verdicts
from tests.records import make_curves, make_data, make_record
from tests.settings import SUMMARY, settings
from tests.shown import shown_records


def make_point(*overrides: str) -> Point:
    (one,) = settings(*overrides)
    shape = (one.width, one.res, one.candidate.embedding)
    price, latency = cost(*shape, classes=SUMMARY.train_identities), estimate(one.board, *shape)
    feasibility = check(price, latency, one.budget, one.board)
    task = Task(one.candidate, one.recipe, SUMMARY.fingerprint, "stages", "cache")
    return Point("a point", one, task, SUMMARY, price, latency, feasibility)


def make_outcome(candidate: Candidate) -> Outcome:
    found = make_record(candidate, limited=False)
    return Outcome(make_data(), found.variants, make_curves(0.5), ("a.jpg",), {"float": 60.0}, ("a warning",))


def test_an_infeasible_candidate_is_recorded_with_its_reason_and_costs() -> None:
    point = make_point("width=0.75")
    record = records.infeasible_record(point)
    assert (record.status, record.key, record.variants) == ("infeasible", point.key, ())
    assert record.feasibility.violated == ("parameter_bytes", "flash_bytes")
    assert record.cost.parameters_without_head == 1_303_984
    assert record.config["width"] == 0.75
    assert {"python", "tensorflow", "mlflow"} <= record.versions.keys()
    assert records.reasons(record.feasibility).startswith("parameter_bytes 1,303,984 of 1,000,000 bytes (exceeded), ")


def test_reasons_leave_out_what_is_kept() -> None:
    kept = LimitCheck("latency_ms", "latency_ms", 120.4, 500, "ms", -370, "ok")
    doubtful = LimitCheck("latency_ms", "latency_ms", 490.4, 500, "ms", 5, "undecided")
    assert records.reasons(Feasibility((kept, doubtful))) == "latency_ms 490 of 500 ms (undecided)"


def test_a_finished_candidate_carries_everything_that_came_of_it() -> None:
    point = make_point("seed=3")
    outcome = make_outcome(point.task.candidate)
    record = records.finished_record(point, Finished(point.task, 10.0, 70.0, outcome, None))
    assert (record.status, record.seed, record.started_unix, record.ended_unix) == ("complete", 3, 10.0, 70.0)
    assert (record.variants, record.curves, record.data) == (outcome.variants, outcome.curves, outcome.data)
    assert (record.calibration_images, record.warnings) == (("a.jpg",), ("a warning",))
    assert record.stage_seconds == {"float": 60.0}


def test_a_file_over_its_limit_makes_a_finished_candidate_infeasible() -> None:
    outcome = make_outcome(make_point().task.candidate)
    smallest = min(v.file.size_bytes for v in outcome.variants if v.scheme != "float32")
    for limit, violated in ((smallest, ()), (smallest - 1, ("file_bytes",))):
        point = make_point(f"budget.file_bytes={limit}")
        record = records.finished_record(point, Finished(point.task, 10.0, 70.0, outcome, None))
        assert (record.status, record.feasibility.violated) == ("complete", violated)


def test_a_failed_candidate_keeps_its_stage_and_traceback() -> None:
    point, failure = make_point(), Failure("qat", "the loss became nan", "Traceback …")
    record = records.finished_record(point, Finished(point.task, 10.0, 20.0, None, failure))
    assert (record.status, record.failure, record.variants) == ("failed", failure, ())
    assert records.headline(record) == "failed in qat: the loss became nan"
    assert records.failure_line(record) == "qat: the loss became nan"


def test_the_headline_says_tar_where_the_pairs_resolve_it_and_accuracy_elsewhere() -> None:
    candidate = Candidate(0.5, 128, 640)
    resolved, coarse = make_record(candidate), make_record(candidate, impostor_pairs=1000)
    assert records.headline(resolved).startswith("validation float32 TAR@FAR 1e-3 0.")
    assert records.headline(coarse).startswith("validation float32 accuracy 0.")
    assert records.headline(resolved).count(",") == 2


def test_one_picture_of_all_variants_and_none_without() -> None:
    record = make_record(Candidate(0.35, 96, 448))
    ((name, picture),) = records.roc_pictures(record).items()
    assert name == "roc.svg"
    assert picture.count(b"<polyline") == 3
    assert records.roc_pictures(replace(record, variants=())) == {}


def test_limits_are_named_as_in_the_report() -> None:
    (given,) = settings()
    assert records.limits_of(given) == {
        "parameter_bytes": 1_000_000,
        "file_bytes": None,
        "activation_bytes": None,
        "flash_bytes": given.board.flash_bytes - given.board.program_bytes,
        "ram_bytes": given.board.ram_bytes,
        "latency_ms": 500,
        "latency_judge": "upper",
        "board": "stm32f746",
    }
    (other,) = settings("board.flash_bytes=null", "board.ram_bytes=null")
    assert (records.limits_of(other)["flash_bytes"], records.limits_of(other)["ram_bytes"]) == (None, None)


def test_a_sweep_shows_its_axes() -> None:
    shown = records.sweep_parameters([make_point("width=0.35"), make_point("width=0.5"), make_point("width=0.5")])
    assert (shown["widths"], shown["resolutions"], shown["candidates"]) == ("0.35, 0.5", "96", "3")
    assert shown["data_fingerprint"] == SUMMARY.fingerprint


def test_names_tell_candidates_apart_by_what_is_swept() -> None:
    assert point_names(settings("width=0.35,0.5")) == ("0.35@96-448", "0.5@96-640")
    assert point_names(settings("seed=1,2")) == ("0.35@96-448 seed=1", "0.35@96-448 seed=2")
    assert point_names(settings("train.loss=softmax,arcface", "seed=1"))[0] == "0.35@96-448 train.loss=softmax"


def test_lean_records_are_judged_as_whole_ones_and_take_a_fraction_of_the_room() -> None:
    whole = shown_records(7)
    slim = [records.lean(record) for record in whole]
    assert {record.status for record in whole} == {"complete", "infeasible", "failed"}
    assert not any(v.validation.replicates or v.test.replicates for one in slim for v in one.variants)
    assert verdicts(judged(slim, 1e-3)) == verdicts(judged(whole, 1e-3))
    for objective in DIRECTIONS:
        told = [[judged_record(one, 1e-3, objective) for one in some[:4]] for some in (slim, whole)]
        assert told[0] == told[1]
    assert len(dump_record(slim)) < len(dump_record(whole)) / 4
