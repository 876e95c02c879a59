"""The C++ benchmark for a board: templates from `bench/`, the networks as constant arrays, and what ties them together.

Pure: files in, text out. TensorFlow Lite Micro itself is not part of it; the user's board program links it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from facerec_core.errors import QuantizationError
from facerec_core.latency.recognise import Network
from facerec_core.tflite import read_operators

TEMPLATES = Path(__file__).parent / "bench"
SOURCES = ("bench.h", "bench.cc", "main.cc", "port.h", "cortex_m.h", "cortex_m.cc")
RESOLVER_METHODS = {
    "ADD": "AddAdd",
    "CONV_2D": "AddConv2D",
    "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D",
    "MEAN": "AddMean",
}
"""tflite::MicroMutableOpResolver's methods, tensorflow/lite/micro/micro_mutable_op_resolver.h."""
ARENA_ALIGNMENT = 16
"""TensorFlow Lite Micro aligns buffers to 16 bytes, and reads models best from there too."""
WARM_UP_RUNS = 2
MOST_RUNS = 1000
_BYTES_A_LINE = 24
_LONGEST_NAME = 100


@dataclass(frozen=True)
class BenchModel:
    """A network in the benchmark, with the arena it is given in bytes."""

    network: Network
    arena_bytes: int

    @property
    def name(self) -> str:
        """The network's name in characters that mean nothing in C++, Markdown or JSON; files may be called anything."""
        return re.sub(r"[^A-Za-z0-9 .@+_-]", "_", self.network.name)[:_LONGEST_NAME]

    @property
    def identifier(self) -> str:
        """The name as a C identifier and file name, such as mobilenetv2_0_35_96_448."""
        return re.sub(r"[^A-Za-z0-9]", "_", self.name)


def bench_files(models: Sequence[BenchModel], runs: int, arena_source: str) -> dict[str, str]:
    """Every file of the project by its relative path.

    Args:
        models: the networks; their identifiers must differ, in more than upper and lower case.
        runs: timed inferences a network, at most `MOST_RUNS`.
        arena_source: how the arenas are known, for the README.

    Raises:
        QuantizationError: a network has an operator the benchmark cannot register.
    """
    files = {name: _template(name) for name in SOURCES}
    files["CMakeLists.txt"] = _template("CMakeLists.txt")
    files["README.md"] = _readme(models, runs, arena_source)
    files["operators.h"] = _operators(models)
    files["models.cc"] = _models(models, runs)
    files["models.cmake"] = f"set(BENCH_MODEL_NAMES {' '.join(model.identifier for model in models)})\n"
    for model in models:
        files[f"models/{model.identifier}.h"] = _header(model)
        files[f"models/{model.identifier}.cc"] = _array(model)
    return files


def _template(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _readme(models: Sequence[BenchModel], runs: int, arena_source: str) -> str:
    lines = [
        f"| {number} | {one.name} | {len(one.network.content):,} | {one.arena_bytes:,} |"
        for number, one in enumerate(models)
    ]
    return Template(_template("README.md")).substitute(
        count=len(models),
        table="\n".join(lines),
        arena_source=arena_source,
        runs=runs,
        warm_up=WARM_UP_RUNS,
        total=f"{sum(len(one.network.content) for one in models):,}",
    )


def _operators(models: Sequence[BenchModel]) -> str:
    """The resolver, with exactly the operators of these files."""
    used = sorted({operator.name for one in models for operator in read_operators(one.network.content)})
    unknown = [name for name in used if name not in RESOLVER_METHODS]
    if unknown:
        raise QuantizationError(f"no way to register {', '.join(unknown)}; allowed: {', '.join(RESOLVER_METHODS)}")
    calls = " &&\n         ".join(f"resolver.{RESOLVER_METHODS[name]}() == kTfLiteOk" for name in used)
    return f"""\
// The operators of the networks in models/, and no others.
#ifndef FACEREC_BENCH_OPERATORS_H_
#define FACEREC_BENCH_OPERATORS_H_

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

using BenchResolver = tflite::MicroMutableOpResolver<{len(used)}>;

inline bool AddOperators(BenchResolver& resolver) {{
  return {calls};
}}

#endif  // FACEREC_BENCH_OPERATORS_H_
"""


def _models(models: Sequence[BenchModel], runs: int) -> str:
    includes = "\n".join(f'#include "models/{model.identifier}.h"' for model in models)
    entries = "\n".join(_entry(index, model) for index, model in enumerate(models))
    return f"""\
// The networks of this program, and the arena they share.
#include "bench.h"
{includes}

const int kBenchRuns = {runs};
static_assert(kBenchRuns <= kBenchMostRuns, "more runs than there is room for");

constexpr BenchModel kBenchModels[] = {{
{entries}
}};
const std::size_t kBenchModelCount = sizeof(kBenchModels) / sizeof(kBenchModels[0]);

namespace {{

constexpr std::size_t LargestArena() {{
  std::size_t largest = 0;
  for (const BenchModel& model : kBenchModels) {{
    if (model.arena_bytes > largest) largest = model.arena_bytes;
  }}
  return largest;
}}

}}  // namespace

// Give it a section of your linker script where it belongs into a certain memory.
alignas({ARENA_ALIGNMENT}) unsigned char g_bench_arena[LargestArena()];
"""


def _entry(index: int, model: BenchModel) -> str:
    one, name = model.network.candidate, model.identifier
    shape = f'"{one.width:g}", {one.resolution}, {one.embedding}, 3'
    return f"""\
#if !defined(BENCH_ONLY) || BENCH_ONLY == {index}
    {{"{model.name}", {shape}, g_{name}, g_{name}_bytes, {model.arena_bytes}}},
#endif"""


def _header(model: BenchModel) -> str:
    name, size = model.identifier, len(model.network.content)
    return f"""\
#ifndef FACEREC_BENCH_MODELS_{name.upper()}_H_
#define FACEREC_BENCH_MODELS_{name.upper()}_H_

#include <cstddef>

constexpr std::size_t g_{name}_bytes = {size};
extern const unsigned char g_{name}[g_{name}_bytes];

#endif  // FACEREC_BENCH_MODELS_{name.upper()}_H_
"""


def _array(model: BenchModel) -> str:
    name = model.identifier
    rows = "\n".join(_rows(model.network.content))
    return f"""\
// {model.name}.tflite, {len(model.network.content)} bytes.
#include "models/{name}.h"

alignas({ARENA_ALIGNMENT}) const unsigned char g_{name}[g_{name}_bytes] = {{
{rows}
}};
"""


def _rows(content: bytes) -> Iterator[str]:
    for start in range(0, len(content), _BYTES_A_LINE):
        yield ",".join(map(str, content[start : start + _BYTES_A_LINE])) + ","
