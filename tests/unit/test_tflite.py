import numpy as np
import pytest

from facerec_core.arena import arena_is_measurable, measure_arena
from facerec_core.errors import QuantizationError, StorageError
from facerec_core.tflite import (
    Interpreter,
    check_fully_int8,
    dequantize_output,
    describe,
    quantize_input,
    read_operators,
)
from facerec_core.types import TensorScale
from tests.tiny_tflite import mean_colour_tflite

PIXELS = np.arange(256, dtype=np.uint8)
FLOAT = TensorScale("float32", 1.0, 0)
QUANTIZATION = (2 / 255, -1)
"""Real -1 to 1 on -128 to 127, which puts every pixel value half-way between two steps."""


def images(count, side=4, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), np.uint8)


@pytest.fixture(params=[None, QUANTIZATION], ids=["float32", "int8"])
def path(request, tmp_path):
    path = tmp_path / "mean.tflite"
    path.write_bytes(mean_colour_tflite(4, request.param))
    return path


def test_pixels_become_real_numbers_of_minus_one_to_one():
    real = quantize_input(PIXELS, FLOAT)
    assert real.dtype == np.float32
    assert np.allclose(real, PIXELS / 127.5 - 1, atol=1e-7)


@pytest.mark.parametrize(
    "scale", [2 / 255, float(np.float32(2 / 255)), np.nextafter(np.float32(2 / 255), np.float32(1))]
)
def test_half_steps_all_go_up_so_that_all_pixel_values_stay_apart(scale):
    # zero point -1: real -1 lies at step -128.5, and every other value half-way too
    steps = quantize_input(PIXELS, TensorScale("int8", float(scale), -1))
    assert steps.dtype == np.int8
    assert steps.tolist() == [pixel - 128 for pixel in range(256)]


@pytest.mark.parametrize(("scale", "zero_point"), [(0.0078, 0), (0.01, 5), (0.004, 0)])
def test_other_scales_round_to_the_nearest_step_and_saturate(scale, zero_point):
    steps = quantize_input(PIXELS, TensorScale("int8", scale, zero_point)).astype(int)
    ideal = np.clip((PIXELS / 127.5 - 1) / scale + zero_point, -128, 127)
    assert np.abs(steps - ideal).max() <= 0.5 + 1e-3
    assert (np.diff(steps) >= 0).all()


def test_quantised_outputs_become_real_again():
    raw = np.array([[-128, -1, 127]], np.int8)
    real = dequantize_output(raw, TensorScale("int8", 0.5, -1))
    assert real.dtype == np.float32
    assert real.tolist() == [[-63.5, 0.0, 64.0]]
    assert dequantize_output(np.ones((1, 2), np.float32), FLOAT).tolist() == [[1.0, 1.0]]


def test_batches_of_any_size_give_what_one_image_a_call_gives(path):
    faces = images(7)
    alone = Interpreter(path, batch_size=1).embed(faces)
    assert alone.shape == (7, 3)
    assert alone.dtype == np.float32
    for batch_size in (2, 3, 7, 32):
        assert np.array_equal(Interpreter(path, batch_size=batch_size).embed(faces), alone)


def test_the_fingerprint_is_what_the_file_computes(path):
    faces = images(5)
    expected = (faces / 127.5 - 1).mean((1, 2))
    assert np.allclose(Interpreter(path).embed(faces), expected, atol=0.01)


def test_an_interpreter_serves_batches_of_changing_size_and_no_images(path):
    interpreter = Interpreter(path, batch_size=4)
    first = interpreter.embed(images(6))
    assert interpreter.embed(images(0)).shape == (0, 3)
    assert np.array_equal(interpreter.embed(images(6)), first)


def test_fast_and_reference_kernels_agree_on_the_mean(path):
    fast, reference = (Interpreter(path, kernels=kernels).embed(images(5)) for kernels in ("fast", "reference"))
    assert np.allclose(fast, reference, atol=0.01)


def test_progress_counts_images(path):
    seen = []
    Interpreter(path, batch_size=3).embed(images(7), lambda done, total: seen.append((done, total)))
    assert seen == [(3, 7), (6, 7), (7, 7)]


def test_shapes_and_scales_are_read_from_the_file(tmp_path):
    path = tmp_path / "mean.tflite"
    path.write_bytes(mean_colour_tflite(4, QUANTIZATION))
    interpreter = Interpreter(path)
    assert (interpreter.resolution, interpreter.embedding) == (4, 3)
    assert interpreter.input_scale == TensorScale("int8", pytest.approx(2 / 255), -1)
    path.write_bytes(mean_colour_tflite(4))
    assert Interpreter(path).output_scale == FLOAT


@pytest.mark.parametrize("content", [b"", b"garbage", b"\0" * 500, mean_colour_tflite(4)[:100]])
def test_a_file_that_is_no_tflite_is_named(tmp_path, content):
    path = tmp_path / "broken.tflite"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"broken\.tflite"):
        Interpreter(path)
    with pytest.raises(StorageError, match=r"broken\.tflite"):
        describe(path, "ptq_int8", 5000)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StorageError, match="absent"):
        Interpreter(tmp_path / "absent")


def test_an_int8_file_passes_and_a_float_operator_is_named():
    check_fully_int8(mean_colour_tflite(4, QUANTIZATION))
    with pytest.raises(QuantizationError, match=r"1 of 1 operators.*MEAN \(FLOAT32"):
        check_fully_int8(mean_colour_tflite(4))


@pytest.mark.parametrize("end", ["input", "output"])
def test_float_ends_are_refused_even_around_int8_operators(end):
    with pytest.raises(QuantizationError, match=rf"{end} FLOAT32"):
        check_fully_int8(with_float_end(end))


def test_operators_are_listed_with_their_tensors():
    (operator,) = read_operators(mean_colour_tflite(4, QUANTIZATION))
    assert operator.name == "MEAN"
    assert operator.tensors == (("images", "INT8"), ("axes", "INT32"), ("fingerprint", "INT8"))


def test_describe_reads_everything_back(tmp_path):
    content = mean_colour_tflite(4, QUANTIZATION)
    path = tmp_path / "mean.tflite"
    path.write_bytes(content)
    file = describe(path, "qat_int8", 5000)
    assert file.size_bytes == len(content)
    assert file.converted_bytes == 5000
    assert file.operators == {"MEAN": 1}
    if arena_is_measurable():
        assert file.arena == measure_arena(content)
    assert (file.embedding, file.input.dtype, file.output.zero_point) == (3, "int8", -1)
    path.write_bytes(mean_colour_tflite(4))
    assert describe(path, "float32", 5000).input == FLOAT
    with pytest.raises(QuantizationError):
        describe(path, "ptq_int8", 5000)


def with_float_end(end):
    """The int8 file with one more tensor, a float one, that the graph names as its input or output."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(mean_colour_tflite(4, QUANTIZATION), 0)
    graph = model.subgraphs[0]
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = end, [1, 3], schema.TensorType.FLOAT32, 0
    graph.tensors.append(tensor)
    setattr(graph, f"{end}s", [len(graph.tensors) - 1])
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
