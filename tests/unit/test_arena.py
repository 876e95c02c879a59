"""The arena the micro interpreter takes, and that asking for it leaves the process as it was."""

import os
import sys

import pytest
from ai_edge_litert import schema_py_generated as schema

from facerec_core import arena
from facerec_core.arena import arena_is_measurable, measure_arena
from facerec_core.errors import OptionError, QuantizationError, StorageError
from facerec_core.strip import strip
from tests.tiny_tflite import mean_colour_tflite
from tests.unit.test_strip import packed, parsed

needs_interpreter = pytest.mark.skipif(not arena_is_measurable(), reason="tflite-micro is not installed here")
INT8 = mean_colour_tflite(8, (0.5, 3))


@needs_interpreter
def test_activations_hold_the_tensors_and_the_rest_does_not_depend_on_their_size() -> None:
    small, large = (measure_arena(mean_colour_tflite(side, (0.5, 3))) for side in (8, 32))
    for figures, side in ((small, 8), (large, 32)):
        assert figures.total_bytes == figures.persistent_bytes + figures.activation_bytes
        # The image, and its mean of three with the three scratch buffers of the operator, 16 bytes at least each.
        assert figures.activation_bytes == 3 * side**2 + 4 * 16
    assert small.persistent_bytes == large.persistent_bytes > 0


@needs_interpreter
def test_float32_takes_four_times_the_activations() -> None:
    assert measure_arena(mean_colour_tflite(32)).activation_bytes == pytest.approx(4 * 3 * 32**2, abs=64)


@needs_interpreter
def test_names_take_no_ram() -> None:
    assert measure_arena(strip(INT8)) == measure_arena(INT8)


@needs_interpreter
def test_standard_error_is_given_back_and_nothing_is_left_on_it(capfd) -> None:
    measure_arena(INT8)
    os.write(2, b"after")
    assert capfd.readouterr() == ("", "after")


@needs_interpreter
@pytest.mark.parametrize(
    "content",
    [b"", b"nothing of the kind", INT8[:100], INT8[:4] + b"TFL3" + bytes(64)],
    ids=lambda content: f"{len(content)} bytes",
)
def test_what_is_no_tflite_file_never_reaches_the_interpreter(content) -> None:
    with pytest.raises(StorageError, match=r"not a readable \.tflite file") as caught:
        measure_arena(content)
    assert "\n" not in str(caught.value)


@needs_interpreter
def test_an_operator_it_does_not_have_is_named(capfd) -> None:
    model = parsed(INT8)
    code = model.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.SEGMENT_SUM
    code.version = 1
    with pytest.raises(QuantizationError, match=r"cannot run the file: .*SEGMENT_SUM"):
        measure_arena(packed(model))
    os.write(2, b"after")
    assert capfd.readouterr() == ("", "after")


@needs_interpreter
def test_a_file_too_large_for_the_arena_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(arena, "ARENA_LIMIT_BYTES", 2**16)
    with pytest.raises(QuantizationError, match=r"cannot run the file: Failed to .*missing"):
        measure_arena(mean_colour_tflite(256, (0.5, 3)))


def test_without_the_package_it_says_so(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "tflite_micro", None)
    assert not arena_is_measurable()
    with pytest.raises(OptionError, match="tflite-micro is not installed"):
        measure_arena(INT8)


@pytest.mark.parametrize("fault", ["import there_is_no_such_module", "raise ValueError('built for\\nanother numpy')"])
def test_a_package_that_is_broken_is_none(monkeypatch, tmp_path, fault) -> None:
    (tmp_path / "tflite_micro").mkdir()
    (tmp_path / "tflite_micro" / "__init__.py").write_text(f"{fault}\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "tflite_micro"]:
        monkeypatch.delitem(sys.modules, name)
    assert not arena_is_measurable()
    with pytest.raises(OptionError, match=r"installed but broken \((ModuleNotFound|Value)Error: .*\)") as caught:
        measure_arena(INT8)
    assert "\n" not in str(caught.value)
