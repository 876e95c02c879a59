from dataclasses import asdict, replace

import pytest

from facerec_core.errors import OptionError
from facerec_core.stages import content_key
from facerec_core.task import STAGE_VERSIONS, Task, settled
from facerec_core.types import Candidate
from tests.recipes import changed, tiny_recipe

FLOAT, PTQ, QAT = "float", "ptq", "qat"
STAGES = Task(Candidate(0.35, 96, 448), tiny_recipe(), "fingerprint", "stages", "cache").stages
AFTER = {
    FLOAT: set(STAGES),
    PTQ: {"ptq", "eval-ptq_int8"},
    QAT: {"qat", "eval-qat_int8"},
    "eval": {stage for stage in STAGES if stage.startswith("eval-")},
}


def task(recipe=None, **fields):
    return Task(Candidate(0.35, 96, 448), recipe or tiny_recipe(), "fingerprint", "stages", "cache", **fields)


def moved(one, other):
    return {stage for stage in STAGES if one.stage_key(stage) != other.stage_key(stage)}


@pytest.mark.parametrize(
    ("first", "changes"),
    [
        (FLOAT, {"seed": 1}),
        (FLOAT, {"train__epochs": 2}),
        (FLOAT, {"train__loss": "softmax"}),
        (FLOAT, {"train__augment__flip": True}),
        (FLOAT, {"train__finetune__epochs": 1}),
        (FLOAT, {"train__progressive": 0.5}),
        (FLOAT, {"train__ema": 0.9}),
        (FLOAT, {"train__settle_batches": 4}),
        (FLOAT, {"train__augment__downscale": 2.0}),
        (FLOAT, {"train__augment__grey": 0.1}),
        (PTQ, {"quant__ptq__calibration_images": 9}),
        (PTQ, {"quant__ptq__percentile": 99.99}),
        (QAT, {"quant__qat__scope": 3}),
        (QAT, {"quant__qat__freeze_batch_norm": False}),
        (QAT, {"quant__qat__calibration_decay": 0.8}),
        (QAT, {"quant__qat__float_weight": 0.5}),
        (QAT, {"quant__qat__percentile": 99.99}),
        (QAT, {"quant__qat__keep": "best"}),
        (QAT, {"quant__qat__equalize": True}),
        (PTQ, {"quant__ptq__equalize": True}),
        (FLOAT, {"train__sampling": "identities"}),
        ("eval", {"eval__kernels": "reference"}),
        ("eval", {"eval__folds": 3}),
        ("eval", {"eval__health_images": 0}),
        ("eval", {"target_far": 0.2}),
    ],
)
def test_an_option_moves_the_stages_that_depend_on_it_and_no_others(first, changes):
    other = task(tiny_recipe(**changes))
    assert moved(task(), other) == AFTER[first]
    assert other.key != task().key


@pytest.mark.parametrize("candidate", [Candidate(0.5, 96, 448), Candidate(0.35, 128, 448), Candidate(0.35, 96, 1280)])
def test_the_architecture_and_the_data_move_everything(candidate):
    assert moved(task(), replace(task(), candidate=candidate)) == set(STAGES)
    assert moved(task(), replace(task(), data_fingerprint="other")) == set(STAGES)


def test_qat_depends_on_the_calibration_images_where_its_weights_are_prepared_by_them():
    for change in ({"quant__qat__rounding": "adaptive"}, {"quant__qat__equalize": True}):
        one, other = (task(tiny_recipe(quant__ptq__calibration_images=count, **change)) for count in (8, 9))
        assert moved(one, other) == AFTER[PTQ] | AFTER[QAT]


def test_how_often_training_is_looked_at_is_no_part_of_the_identity():
    assert task(tiny_recipe(train__validate_epochs=2)).key == task().key


def test_options_that_came_later_leave_the_keys_of_stages_made_without_them():
    plain = asdict(task().recipe.train)
    for name in ("progressive", "ema", "settle_batches", "validate_epochs"):
        del plain[name]
    for name in ("downscale", "grey"):
        del plain["augment"][name]
    assert settled(task().recipe.train) == plain


def test_ptq_with_whole_ranges_has_the_key_it_had_before_there_were_others():
    whole = task()
    before = {name: value for name, value in asdict(whole.recipe.quant.ptq).items() if name != "percentile"}
    assert whole.stage_key("ptq") == content_key("ptq", STAGE_VERSIONS["ptq"], whole.float_key, before)


def test_where_ranges_end_and_what_is_kept_move_qat_and_not_its_control():
    whole, cut = (
        task(tiny_recipe(quant__qat__control=True, **change))
        for change in ({}, {"quant__qat__percentile": 99.9, "quant__qat__keep": "best"})
    )
    assert moved(whole, cut) == AFTER[QAT]
    before = asdict(replace(whole.recipe.quant.qat, control=False))
    del before["percentile"], before["keep"]
    for stage in ("qat", "control"):
        assert whole.stage_key(stage) == content_key(stage, STAGE_VERSIONS[stage], whole.float_key, before, None)
    assert cut.stage_key("control") == whole.stage_key("control")


def test_a_control_adds_its_stages_and_moves_no_other():
    plain, other = task(), task(tiny_recipe(quant__qat__control=True))
    assert moved(plain, other) == set()
    assert set(other.stages) - set(plain.stages) == {"control", "eval-float32_control"}
    assert other.key != plain.key


def test_equalised_qat_depends_on_the_images_that_show_the_ranges():
    first = task(tiny_recipe(quant__qat__equalize=True))
    assert "qat" in moved(first, task(tiny_recipe(quant__qat__equalize=True, quant__ptq__calibration_images=9)))


def test_threads_and_places_are_no_part_of_the_identity():
    assert replace(task(), threads=7, stages_dir="elsewhere", cache_dir="there").key == task().key


def test_stages_of_one_task_never_share_a_folder():
    assert len({f"{stage}-{task().stage_key(stage)}" for stage in STAGES}) == len(STAGES)


def test_of_initial_weights_the_content_counts_and_not_the_path(tmp_path):
    for name, content in {"a.npz": b"one", "b.npz": b"one", "c.npz": b"two"}.items():
        (tmp_path / name).write_bytes(content)

    def key(name):
        return task(changed(tiny_recipe(), train__init=str(tmp_path / name))).key

    assert key("a.npz") == key("b.npz")
    assert len({key("a.npz"), key("c.npz"), task().key}) == 3


def test_initial_weights_that_cannot_be_read_are_one_line(tmp_path):
    missing = task(tiny_recipe(train__init=str(tmp_path / "absent.npz")))
    with pytest.raises(OptionError, match=r"train\.init.*absent\.npz.*No such file"):
        _ = missing.key


def test_groups_move_only_the_evaluations_and_by_content(tmp_path):
    for name, content in {"a.csv": "identity,group\nA,x\n", "b.csv": "identity,group\nA,x\n", "c.csv": "c"}.items():
        (tmp_path / name).write_text(content)

    def grouped(name):
        return task(changed(tiny_recipe(), data__groups=str(tmp_path / name)))

    assert moved(task(), grouped("a.csv")) == AFTER["eval"]
    assert moved(grouped("a.csv"), grouped("c.csv")) == AFTER["eval"]
    assert grouped("a.csv").key == grouped("b.csv").key
