"""Stripped files: the same outputs, nothing that nobody reads, and one line of explanation for everything else."""

from contextlib import suppress

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import OpResolverType
from flatbuffers import Builder
from hypothesis import given
from hypothesis import strategies as st

from facerec_core.arena import arena_is_measurable
from facerec_core.errors import FacerecError, QuantizationError, StorageError
from facerec_core.strip import DATA_ALIGNMENT, PLAN_METADATA, strip
from tests.interpreters import lite_rt, micro
from tests.tiny_tflite import mean_colour_tflite

SIDE = 8
INT8 = mean_colour_tflite(SIDE, (0.5, 3))
FLOAT32 = mean_colour_tflite(SIDE)
CONTENTS = pytest.mark.parametrize("content", [INT8, FLOAT32], ids=["int8", "float32"])


def parsed(content):
    return schema.ModelT.InitFromPackedBuf(content, 0)


def packed(model):
    builder = Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def with_metadata(model, name, data):
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(data, np.uint8)
    entry.name, entry.buffer = name, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]


def cluttered(content):
    """The same network as a converter would leave it, and worse."""
    model = parsed(content)
    model.description, model.subgraphs[0].name = b"converted", b"main"
    with_metadata(model, b"CONVERSION_METADATA", b"how it was made")
    unused = schema.OperatorCodeT()
    unused.builtinCode = unused.deprecatedBuiltinCode = schema.BuiltinOperator.QUANTIZE
    model.operatorCodes.insert(0, unused)
    for operator in model.subgraphs[0].operators:
        operator.opcodeIndex = 1
    for tensor in model.subgraphs[0].tensors:
        tensor.name = b"a/very/long/name;" * 5 + tensor.name
        if tensor.quantization is not None:
            tensor.quantization.min = tensor.quantization.max = np.array([1.5], np.float32)
        elif tensor.buffer == 0:
            tensor.quantization = schema.QuantizationParametersT()
            model.buffers.append(schema.BufferT())
            tensor.buffer = len(model.buffers) - 1
    return packed(model)


def image_for(content):
    pixels = np.random.default_rng(0).integers(-128, 128, (1, SIDE, SIDE, 3))
    return pixels.astype(np.int8 if content == INT8 else np.float32)


@CONTENTS
@pytest.mark.parametrize("resolver", [OpResolverType.AUTO, OpResolverType.BUILTIN_REF])
def test_lite_rt_gives_the_same_numbers(content, resolver) -> None:
    image = image_for(content)
    want = lite_rt(content, image, resolver)
    assert want.any()
    np.testing.assert_array_equal(lite_rt(strip(content), image, resolver), want)


@CONTENTS
@pytest.mark.skipif(not arena_is_measurable(), reason="tflite-micro is not installed here")
def test_the_micro_interpreter_gives_the_same_numbers(content) -> None:
    image = image_for(content)
    np.testing.assert_array_equal(micro(strip(content), image), micro(content, image))


@CONTENTS
def test_what_a_converter_adds_leaves_no_trace(content) -> None:
    clutter = cluttered(content)
    assert len(clutter) > len(content)
    assert strip(clutter) == strip(content)
    assert len(strip(content)) < len(content)
    for word in (b"name", b"converted", b"main", b"METADATA"):
        assert word not in strip(clutter)


@CONTENTS
def test_a_stripped_file_stays_as_it_is(content) -> None:
    stripped = strip(content)
    assert strip(stripped) == stripped


def test_scale_zero_point_shape_and_type_are_kept() -> None:
    before, after = (parsed(content).subgraphs[0] for content in (INT8, strip(INT8)))
    for old, new in zip(before.tensors, after.tensors, strict=True):
        assert (old.type, list(old.shape)) == (new.type, list(new.shape))
        if old.quantization is not None:
            assert list(new.quantization.scale) == list(old.quantization.scale)
            assert list(new.quantization.zeroPoint) == list(old.quantization.zeroPoint)


def test_equal_vectors_are_stored_once_in_full_length() -> None:
    def with_channels(count):
        model = parsed(INT8)
        for tensor in (model.subgraphs[0].tensors[0], model.subgraphs[0].tensors[2]):
            tensor.quantization.scale = np.arange(1, count + 1, dtype=np.float32) * (
                1 + tensor.buffer + len(tensor.shape)
            )
            tensor.quantization.zeroPoint = np.zeros(count, np.int64)
        return strip(packed(model))

    few, many = with_channels(100), with_channels(200)
    # Two vectors of scales differ, one vector of zero points serves both tensors.
    assert len(many) - len(few) == 100 * (2 * 4 + 8)
    tensors = parsed(many).subgraphs[0].tensors
    assert [len(tensors[i].quantization.zeroPoint) for i in (0, 2)] == [200, 200]


def test_constants_of_equal_content_share_a_buffer_and_data_is_aligned() -> None:
    model = parsed(INT8)
    for _ in range(3):
        model.buffers.append(model.buffers[1])
        model.subgraphs[0].tensors.append(model.subgraphs[0].tensors[1])
    twin = schema.BufferT()
    twin.data = np.arange(21, dtype=np.uint8)
    model.buffers.append(twin)
    extra = schema.TensorT()
    extra.shape, extra.type, extra.buffer = np.array([21], np.int32), schema.TensorType.INT8, len(model.buffers) - 1
    model.subgraphs[0].tensors.append(extra)
    stripped = strip(packed(model))
    view = schema.Model.GetRootAs(stripped, 0)
    buffers = [view.Buffers(index) for index in range(view.BuffersLength())]
    assert [buffer.DataLength() for buffer in buffers] == [0, 8, 21]
    starts = [buffer._tab.Vector(buffer._tab.Offset(4)) for buffer in buffers[1:]]
    assert [start % DATA_ALIGNMENT for start in starts] == [0, 0]
    assert len(stripped) % DATA_ALIGNMENT == 0


def test_a_plan_of_the_memory_is_kept() -> None:
    model = parsed(INT8)
    plan = np.array([1, 0, 3, 0, -1, 512], np.int32).tobytes()
    with_metadata(model, PLAN_METADATA, plan)
    with_metadata(model, b"min_runtime_version", b"1.5.0")
    stripped = parsed(strip(packed(model)))
    assert [entry.name for entry in stripped.metadata] == [PLAN_METADATA]
    assert bytes(stripped.buffers[stripped.metadata[0].buffer].data) == plan


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04" * 40, INT8[:6], INT8[: len(INT8) // 2], INT8[:4] + b"TFL3" + bytes(64)],
    ids=lambda content: f"{len(content)} bytes",
)
def test_what_is_no_tflite_file_is_refused_in_one_line(content) -> None:
    with pytest.raises(StorageError, match=rf"\.tflite file.* {len(content)} bytes") as caught:
        strip(content)
    assert "\n" not in str(caught.value)


@given(st.integers(0, len(INT8) - 1), st.integers(0, 255), st.integers(1, len(INT8)))
def test_damage_is_reported_as_such(position, value, length) -> None:
    damaged = bytearray(INT8)
    damaged[position] = value
    with suppress(FacerecError):
        strip(bytes(damaged[:length]))


def test_weights_elsewhere_are_refused() -> None:
    outside = parsed(INT8)
    outside.buffers[1].data, outside.buffers[1].offset, outside.buffers[1].size = None, 4096, 8
    with pytest.raises(QuantizationError, match="outside of its tables"):
        strip(packed(outside))
    compressed = parsed(INT8)
    with_metadata(compressed, b"COMPRESSION_METADATA", b"table")
    with pytest.raises(QuantizationError, match="compressed"):
        strip(packed(compressed))
