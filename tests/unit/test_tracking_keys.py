"""What a record is called in the tracker."""

import math
import re
from dataclasses import replace

import pytest

from facerec_core.types import Candidate, CurvePoint, Failure, LayerHealth, QuantisationHealth, RocGrid
from sweep import tracking_keys as keys
from tests.healthy import with_health
from tests.records import as_failed, make_groups, make_records, with_groups
from tests.settings import settings

MLFLOW_KEY = re.compile(r"[/\w.\- :]{1,250}")
COMPARED = {
    "accuracy",
    "auc",
    "eer",
    "far_floor",
    "size_bytes",
    "converted_bytes",
    "arena_bytes",
    "arena_persistent_bytes",
    "arena_activation_bytes",
    "predicted_file_bytes",
    "predicted_arena_bytes",
    "parameters",
    "parameters_without_head",
    "macs",
    "latency_ms",
    "latency_low_ms",
    "latency_high_ms",
    "peak_activation_bytes",
    "threshold",
    "test_accuracy",
    "test_realised_far",
    "test_realised_tar",
} | {f"{split}tar_at_far_1e-{n}" for split in ("", "test_") for n in (1, 2, 3, 4)}


def test_names_are_readable():
    record = make_records(4)[3]
    assert record.candidate.name == "0.5@128-640"
    assert Candidate(0.5, 128, 64, 1280).name == "0.5@128-1280-64"
    assert keys.variant_name(record.candidate, "qat_int8") == "0.5@128-640 qat_int8"


def test_every_variant_has_the_same_metric_keys():
    record = make_records(1)[0]
    sets = [set(keys.variant_metrics(record, variant)) for variant in record.variants]
    assert len(sets) == 3
    assert sets[0] == sets[1] == sets[2]
    assert sets[0] >= COMPARED


def test_how_far_int8_is_from_float_is_a_metric_of_every_int8_variant():
    record = with_health(make_records(1)[0])
    full, ptq, qat = (keys.variant_metrics(record, variant) for variant in record.variants)
    assert set(ptq) == set(qat) == set(full) | {"worst_layer_sqnr_db", "fingerprint_sqnr_db"}
    assert (ptq["worst_layer_sqnr_db"], qat["worst_layer_sqnr_db"]) == (10.0, 9.0)
    assert ptq["fingerprint_sqnr_db"] == record.variants[1].health.layers[-1].sqnr_db
    assert keys.candidate_metrics(record)["qat_int8/worst_layer_sqnr_db"] == 9.0


def test_layers_without_a_ratio_are_no_metric():
    record = make_records(1)[0]
    silent = QuantisationHealth(4, (LayerHealth("mean", None),))
    metrics = keys.variant_metrics(record, replace(record.variants[1], health=silent))
    assert not any("sqnr" in key for key in metrics)


def test_bare_keys_are_validation_figures():
    record = make_records(1)[0]
    variant = record.variants[1]
    metrics = keys.variant_metrics(record, variant)
    assert metrics["accuracy"] == variant.validation.accuracy != variant.test.accuracy
    assert metrics["test_accuracy"] == variant.test.accuracy
    assert metrics["tar_at_far_1e-3"] == variant.validation.tar_at_far["1e-3"]
    assert metrics["size_bytes"] == variant.file.size_bytes
    assert metrics["macs"] == record.cost.macs


def test_undefined_figures_are_absent():
    record = make_records(1, impostor_pairs=1000)[0]
    assert "tar_at_far_1e-1" in keys.variant_metrics(record, record.variants[0])
    for absent in ("tar_at_far_1e-2", "test_tar_at_far_1e-3", "threshold", "realised_far"):
        assert absent not in keys.variant_metrics(record, record.variants[0])
    assert "ptq_int8/tar_at_far_1e-2" not in keys.candidate_metrics(record)


def test_the_worst_group_is_a_metric_where_groups_are_known():
    plain = make_records(1)[0]
    record = with_groups(plain, make_groups())
    metrics = keys.variant_metrics(record, record.variants[1])
    assert (metrics["worst_group_far"], metrics["test_worst_group_tar"]) == (0.004, 0.61)
    assert metrics["worst_group_far_ratio"] == pytest.approx(4)
    assert not any("worst_group" in key for key in keys.variant_metrics(plain, plain.variants[1]))


def test_a_candidate_carries_each_variants_figures_and_the_stage_seconds():
    record = make_records(1)[0]
    metrics = keys.candidate_metrics(record)
    assert metrics["qat_int8/accuracy"] == record.variants[2].validation.accuracy
    assert metrics["ptq_int8/size_bytes"] == record.variants[1].file.size_bytes
    assert metrics["train_seconds"] == 60.0
    assert metrics["latency_ms"] == record.latency.ms


def test_configuration_is_flattened_and_written_as_on_the_command_line():
    config = {"embedding": "scaled", "train": {"epochs": 12, "init": "none"}, "paths": {"root": None}, "force": False}
    record = replace(make_records(1)[0], config=config | {"quant": {"qat": {"scope": "all"}}, "l": [1, 2]})
    params = keys.candidate_params(record)
    assert params["train.epochs"] == "12"
    assert params["l"] == "[1,2]"
    assert params["embedding"] == "448", "the resolved length, to filter by"
    carried = keys.sweep_params(record.config)
    assert (carried["paths.root"], carried["force"]) == ("null", "false")
    variant = keys.variant_params(record, record.variants[1])
    assert variant["variant"] == "ptq_int8"
    assert variant["quant.qat.scope"] == "all"
    assert variant["width"] == "0.35"
    assert variant["feasible"] == "true"
    assert "paths.root" not in variant


def test_how_a_sweep_is_carried_through_is_told_of_the_sweep_and_not_of_each_candidate():
    (chosen,) = settings("search.trials=7", "board.flash_bytes=null")
    config = chosen.config
    of_sweep, of_candidate = (
        keys.sweep_params(config),
        keys.candidate_params(replace(make_records(1)[0], config=config)),
    )
    assert (of_sweep["search.trials"], of_sweep["force"], of_sweep["board.flash_bytes"]) == ("7", "false", "null")
    assert {"train.epochs", "quant.qat.scope", "data.kind", "target_far", "budget.file_bytes"} <= of_candidate.keys()
    everything = dict(keys.flatten(config))
    assert everything.keys() <= of_sweep.keys() | of_candidate.keys(), "nothing is left out"
    assert of_sweep.keys().isdisjoint(of_candidate)
    assert of_candidate["board"], "its name"
    assert len(of_candidate) <= 100, "what MLflow takes at once"


def test_no_password_of_an_address_reaches_the_tracker():
    (chosen,) = settings("tracking.uri=http://me:secret@host:5000", "search.storage=postgresql://me:secret@host/study")
    shown = keys.sweep_params(chosen.config)
    assert (shown["tracking.uri"], shown["search.storage"]) == (
        "http://me:***@host:5000",
        "postgresql://me:***@host/study",
    )
    assert "secret" not in str(chosen.config)


def test_of_each_variant_a_candidate_repeats_what_tables_of_candidates_show():
    of_ptq = {key.removeprefix("ptq_int8/") for key in keys.candidate_metrics(with_health(make_records(1)[0]))}
    assert {"tar_at_far_1e-3", "accuracy", "eer", "size_bytes", "arena_bytes", "fingerprint_sqnr_db"} <= of_ptq
    assert not of_ptq & {"far_floor", "realised_far", "converted_bytes", "arena_persistent_bytes"}


def test_tags_say_what_happened_and_leave_out_what_did_not():
    complete, failed = make_records(1)[0], as_failed(make_records(1)[0])
    assert keys.record_tags(complete)["status"] == "complete"
    assert "failure_message" not in keys.record_tags(complete)
    assert "violated" not in keys.record_tags(complete)
    assert keys.record_tags(failed)["failure_message"] == "loss became nan at step 40"
    infeasible = next(r for r in make_records(30) if r.status == "infeasible")
    assert keys.record_tags(infeasible)["violated"]
    assert keys.version_tags(complete)["version.tensorflow"] == "2.21.0"
    assert not any(key.startswith("version") for key in keys.record_tags(complete)), "once a candidate is enough"


def test_a_long_message_is_cut_to_what_a_tag_holds():
    record = replace(make_records(1)[0], failure=Failure("train", "x" * 10_000, ""))
    assert len(keys.record_tags(record)["failure_message"]) == keys.LONGEST_TAG


def test_curves_are_stepped_by_epoch_and_leave_out_what_is_not_finite():
    curves = (CurvePoint("train", 1, {"loss": 2.0}), CurvePoint("qat", 1, {"loss": math.nan, "accuracy": 0.5}))
    record = replace(make_records(1)[0], curves=curves)
    assert list(keys.curve_points(record)) == [("train_loss", 2.0, 1), ("qat_accuracy", 0.5, 1)]


def test_the_roc_is_stepped_by_log_far_has_five_points_a_decade_and_ends_at_the_floor():
    roc = RocGrid((-4.0, -3.8, -2.3, -2.2, 0.0), (None, 0.1, 0.4, 0.5, 1.0))
    assert list(keys.roc_points(roc)) == [("roc_tar", 0.1, -380), ("roc_tar", 0.5, -220), ("roc_tar", 1.0, 0)]


def test_every_key_is_one_that_mlflow_takes():
    for record in make_records(8):
        names = {*keys.candidate_metrics(record), *keys.candidate_params(record), *keys.record_tags(record)}
        names |= {*keys.version_tags(record)}
        names |= {key for key, _, _ in keys.curve_points(record)}
        for variant in record.variants:
            names |= set(keys.variant_metrics(record, variant))
        assert all(MLFLOW_KEY.fullmatch(name) for name in names)
