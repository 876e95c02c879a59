import dataclasses
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facerec_core.errors import StorageError
from facerec_core.record_json import dump_record, parse_record
from facerec_core.types import Candidate, CurvePoint, Evaluation, Failure, LimitCheck, RunRecord
from tests.healthy import with_health
from tests.records import make_records

RATES = st.dictionaries(st.text(), st.none() | st.floats())
RECORDS = st.one_of(
    st.builds(Candidate),
    st.builds(CurvePoint, metrics=st.dictionaries(st.text(), st.floats())),
    st.builds(Evaluation, tar_at_far=RATES),
    st.builds(Failure),
    st.builds(LimitCheck),
)


@settings(max_examples=25)
@given(RECORDS)
def test_any_record_comes_back_exactly(record):
    # repr tells NaN from other numbers and equals itself, which NaN does not.
    assert repr(parse_record(type(record), dump_record(record), "test")) == repr(record)


@given(st.floats())
def test_any_float_comes_back_to_the_last_bit(value):
    point = CurvePoint("train", 1, {"loss": value})
    back = parse_record(CurvePoint, dump_record(point), "test").metrics["loss"]
    assert math.isnan(back) if math.isnan(value) else (back, math.copysign(1, back)) == (value, math.copysign(1, value))


def test_a_whole_run_record_comes_back_equal():
    for record in make_records():
        assert parse_record(RunRecord, dump_record(record), "test") == record


def test_layers_that_were_compared_come_back_equal():
    record = with_health(make_records(1)[0])
    assert parse_record(RunRecord, dump_record(record), "test") == record


def test_a_record_of_a_version_that_compared_no_layers_is_read():
    record = make_records(1)[0]
    plain = json.loads(dump_record(record))
    for variant in plain["variants"]:
        assert variant.pop("health") is None
    assert parse_record(RunRecord, json.dumps(plain), "test") == record


def test_undefined_rates_stay_undefined():
    record = next(r for r in make_records() if r.variants)
    evaluation = dataclasses.replace(record.variants[0].validation, threshold=None, tar_at_far={"1e-6": None})
    back = parse_record(Evaluation, dump_record(evaluation), "test")
    assert back.threshold is None
    assert back.tar_at_far == {"1e-6": None}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"width": 0.5}', '{"width":"wide","resolution":96,"embedding":8}']
)
def test_damaged_text_names_its_source_and_the_way_out(text):
    with pytest.raises(StorageError, match=r"^stages/notes\.json: .*force=true$"):
        parse_record(Candidate, text, "stages/notes.json")
