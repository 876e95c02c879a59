"""What became of candidates and variants, as tags one filters by, and the report among the artifacts: in SQLite."""

import itertools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from facerec_core.errors import StorageError
from facerec_core.types import Feasibility, LimitCheck
from sweep import reporting, tracking_verdict
from sweep.patience import Patience
from sweep.tracking import Tracker
from sweep.tracking_verdict import BEST_FIRST, CANDIDATE, BestSoFar, judged, verdicts
from sweep.ui_addresses import addresses
from tests.records import as_failed, as_pruned, make_evaluation, make_records
from tests.sweeps import varied_records, write_files, write_sweep

_numbers = itertools.count()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("mlruns")


@pytest.fixture
def tracker(root):
    """An experiment of its own in the shared store, whose creation takes seconds."""
    return Tracker.open(root, None, f"experiment {next(_numbers)}", patience=Patience(0))


def named(tracker, query):
    return sorted(run.info.run_name for run in tracker._runs.search(query))


def test_variants_and_candidates_are_found_by_their_standing(tracker, tmp_path):
    write_sweep(tracker, tmp_path, varied_records())
    front = "tags.pareto = 'true' and tags.level"
    schemes = ("ptq_int8", "qat_int8")
    complete = [record.candidate.name for record in varied_records()[:4]]
    assert named(tracker, f"{front} = 'candidate'") == sorted(complete)
    on_front = {f"{name} {scheme}" for name in complete for scheme in schemes} - {"0.35@128-448 ptq_int8"}
    assert named(tracker, f"{front} = 'variant'") == sorted(on_front)
    assert named(tracker, "tags.standing = 'dominated'") == ["0.35@128-448 ptq_int8"]
    assert named(tracker, "tags.standing = 'reference'") == sorted(f"{name} float32" for name in complete)
    assert named(tracker, "tags.standing = 'infeasible'") == named(tracker, "params.feasible = 'false'")
    assert named(tracker, "tags.standing = 'infeasible'") == [varied_records()[4].candidate.name]
    assert named(tracker, "tags.recommended = 'true'") == ["0.5@128-640", "0.5@128-640 qat_int8"]
    marked = named(tracker, "tags.pareto != ''")
    assert marked == named(tracker, "tags.level != 'sweep'"), "every run is marked, those not on the front too"


def test_what_no_other_candidate_can_change_is_known_while_the_sweep_runs(tracker, tmp_path):
    records = (*varied_records()[1:], as_failed(varied_records()[0]))
    write_files(records, tmp_path)
    sweep = tracker.start_sweep("demo", "command", {}, 1e-3, {})
    for record in records:
        tracker.log_candidate(sweep, record, tmp_path)
    early = {
        standing: named(tracker, f"tags.standing = '{standing}' and tags.recommended = 'false'")
        for standing in BEST_FIRST
    }
    told = ["dominated", "infeasible", "failed", "reference"]
    assert [standing for standing, names in early.items() if names] == told
    assert early["dominated"] == ["0.35@128-448 ptq_int8"]
    assert early["reference"] == sorted(f"{record.candidate.name} float32" for record in records[:3])
    tracker.mark_standings(sweep)
    for standing, names in early.items():
        assert set(names) <= set(named(tracker, f"tags.standing = '{standing}'"))


def of_skill(skill):
    """One network of a certain seed; the greater the skill, the better each of its variants."""
    base, *_ = varied_records()
    better = (replace(v, validation=make_evaluation(2 + skill, "validation")) for v in base.variants)
    return replace(base, key=str(skill), seed=skill, variants=tuple(better))


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_whom_an_earlier_one_beats_is_known_to_be_dominated_as_it_comes(order):
    records, best = [of_skill(skill) for skill in order], BestSoFar(1e-3)
    early = {whose: tags for record in records for whose, tags in best.settled(record).items()}
    assert early.items() <= verdicts(judged(records, 1e-3)).items()
    beaten = {str(skill) for place, skill in enumerate(order) if skill < max(order[: place + 1])}
    assert {key for key, scheme in early if scheme == CANDIDATE} == beaten
    assert [record.key for record in best.records] == ["3"], "only the best is kept"


def test_of_the_best_the_latest_are_kept_and_a_second_attempt_takes_the_place_of_the_first(monkeypatch):
    monkeypatch.setattr(tracking_verdict, "MOST_BEST", 3)
    best = BestSoFar(1e-3)
    for record in varied_records()[:4]:
        best.settled(record)
    assert [one.key for one in best.records] == [record.key for record in varied_records()[1:4]]
    again = replace(varied_records()[1], seed=7)
    assert (again.key, CANDIDATE) not in best.settled(again), "it does not beat itself"
    assert [one.seed for one in best.records if one.key == again.key] == [7]


def test_what_is_marked_already_is_not_written_again_and_a_better_one_changes_the_others(tracker, tmp_path):
    records = varied_records()
    sweep = write_sweep(tracker, tmp_path, records[:2])
    assert tracker.mark_standings(sweep) == 0
    assert named(tracker, "tags.recommended = 'true' and tags.level = 'variant'") == ["0.35@128-448 qat_int8"]
    write_sweep(tracker, tmp_path, records)  # the same name: it is continued
    assert named(tracker, "tags.recommended = 'true' and tags.level = 'variant'") == ["0.5@128-640 qat_int8"]


@pytest.mark.parametrize(
    ("ended", "looked_at"),
    [("FINISHED", False), ("KILLED", True), ("FAILED", True)],
    ids=["finished", "killed", "failed"],
)
def test_a_finished_sweep_is_not_looked_through_again_and_one_that_was_cut_off_is(
    tracker, root, tmp_path, ended, looked_at
):
    sweep = write_sweep(tracker, tmp_path, varied_records())
    marked = named(tracker, "tags.standing != ''")
    for run in tracker._runs.search("tags.standing != ''"):
        tracker._client.delete_tag(run.info.run_id, "standing")
    tracker.finish_sweep(sweep, ended)
    again = Tracker.open(root, None, tracker._client.get_experiment(tracker.experiment_id).name)
    assert write_sweep(again, tmp_path, ()) == sweep
    assert named(tracker, "tags.standing != ''") == (marked if looked_at else [])


def test_a_finished_sweep_with_a_record_more_is_marked(tracker, root, tmp_path):
    write_sweep(tracker, tmp_path, varied_records()[:2])
    again = Tracker.open(root, None, tracker._client.get_experiment(tracker.experiment_id).name)
    write_sweep(again, tmp_path, varied_records())
    assert named(tracker, "tags.recommended = 'true' and tags.level = 'variant'") == ["0.5@128-640 qat_int8"]


def test_a_sweep_without_anything_to_ship_is_marked_all_the_same(tracker, tmp_path):
    first, second = make_records(2)
    write_sweep(tracker, tmp_path, (as_failed(first), as_pruned(second)))
    assert named(tracker, "tags.standing = 'failed'") == [first.candidate.name]
    assert named(tracker, "tags.standing = 'pruned'") == [second.candidate.name]
    assert named(tracker, "tags.pareto = 'true'") == []


def test_a_candidate_stands_where_its_best_deployable_variant_does():
    records = varied_records()
    found = verdicts(judged(records, 1e-3))
    assert {tags["standing"] for tags in found.values()} <= set(BEST_FIRST)
    key = records[1].key
    standings = {scheme: found[key, scheme]["standing"] for scheme in ("float32", "ptq_int8", "qat_int8", CANDIDATE)}
    assert standings == {"float32": "reference", "ptq_int8": "dominated", "qat_int8": "front", CANDIDATE: "front"}


def test_the_parameter_feasible_is_by_the_variants_own_file(tracker, tmp_path):
    record = varied_records()[1]
    ptq = record.variants[1].file.size_bytes
    limit = LimitCheck("file_bytes", "file_bytes", ptq - 50_000, ptq - 1, "bytes", -49_999, "ok")
    limited = replace(record, feasibility=Feasibility((*record.feasibility.checks, limit)))
    sweep = write_sweep(tracker, tmp_path, (limited,))
    assert named(tracker, "params.feasible = 'false'") == ["0.35@128-448 ptq_int8"]
    assert named(tracker, "tags.standing = 'infeasible'") == ["0.35@128-448 ptq_int8"]
    (info,) = tracker.load_sweeps()
    assert info.run_id == sweep
    (best,) = tracker.views(info).best
    assert len(best.runs) == 3, "a variant that does not fit is compared with those that do"


def test_the_recommended_candidate_is_compared_even_where_floats_rank_otherwise(tracker, tmp_path):
    first, second = make_records(2)
    better_float = replace(first.variants[0], validation=make_records(4)[3].variants[0].validation)
    records = (replace(first, variants=(better_float, *first.variants[1:])), second)
    write_sweep(tracker, tmp_path, records)
    (info,) = tracker.load_sweeps()
    assert [best.name for best in tracker.views(info).best] == ["0.35@128-448", "0.35@96-448"]


def settings(root, tracker):
    experiment = tracker._client.get_experiment(tracker.experiment_id).name
    return SimpleNamespace(
        paths=SimpleNamespace(folder=root), tracking=SimpleNamespace(uri=None, experiment=experiment), sweep=None
    )


@pytest.fixture
def quick_report(monkeypatch):
    """The real report takes seconds to draw; here it is one page that says what it is."""
    from analysis.records import ReportPaths

    def write(records, info, folder, doing, beside):
        paths = ReportPaths.inside(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths.all:
            path.write_text(f"{path.name} of {len(records)}")
        return paths

    monkeypatch.setattr(reporting, "write_report", write)


def test_the_report_is_among_the_artifacts_of_the_sweeps_run_and_replaces_an_older_one(
    root, tracker, tmp_path, quick_report, capsys
):
    records = varied_records()
    run_id = write_sweep(tracker, tmp_path, records[:1])
    assert reporting.report(settings(root, tracker)) == 0
    write_sweep(tracker, tmp_path, records[:2])
    assert reporting.report(settings(root, tracker)) == 0
    (info,) = tracker.load_sweeps()
    assert tracker.views(info).report == "report/report.html"
    page = tracker._client.download_artifacts(run_id, "report/report.html", str(tmp_path))
    assert Path(page).read_text() == "report.html of 2"
    names = {item.path for item in tracker._client.list_artifacts(run_id, "report")}
    assert {"report/summary.md", "report/pareto.csv", "report/roc.png"} <= names
    assert not [name for name in names if name.endswith(".part")]
    assert capsys.readouterr().err == ""
    report = next(line for line in addresses(tracker, "http://127.0.0.1:1") if line.startswith("Report"))
    assert f"/runs/{run_id}/artifacts/report/report.html?" in report


def test_where_the_tracker_may_only_be_read_the_report_is_written_and_that_is_said(
    root, tracker, tmp_path, quick_report, capsys, monkeypatch
):
    write_sweep(tracker, tmp_path, varied_records()[:1])

    def refuse(self, sweep, files):
        raise StorageError("artifacts: Read-only file system")

    monkeypatch.setattr(Tracker, "attach_report", refuse)
    assert reporting.report(settings(root, tracker)) == 0
    said = capsys.readouterr()
    assert "page   " in said.out
    assert said.err == (
        "warning: the report is not attached to the sweep's run in the tracker: artifacts: Read-only file system\n"
    )


def test_the_registered_model_and_the_front_have_an_address(tracker, tmp_path):
    sweep = write_sweep(tracker, tmp_path, varied_records()[:2])
    version = tracker.register_best(sweep, "network s")
    lines = {line.split(":")[0]: line.split()[-1] for line in addresses(tracker, "http://127.0.0.1:1")}
    assert lines["Registered"] == (
        f"http://127.0.0.1:1/#/models/network%20s/versions/{version}?workflowType=machine_learning"
    )
    assert "tags.pareto%20%3D%20%27true%27" in lines["Pareto front"]
