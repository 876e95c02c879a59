#include "bench.h"

#include <algorithm>

#include "operators.h"
#include "port.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/system_setup.h"
#include "tensorflow/lite/schema/schema_generated.h"

#if !defined(BENCH_KERNELS) || !defined(BENCH_RUNTIME_VERSION)
#error "define BENCH_KERNELS (such as \"CMSIS-NN\") and BENCH_RUNTIME_VERSION (TFLM's commit), as text in quotes"
#endif

namespace {

std::uint64_t g_cycles[kBenchMostRuns];

void Put(const char* text) {
  for (; *text != '\0'; ++text) PortPutChar(*text);
}

void PutNumber(std::uint64_t value) {
  char digits[20];
  int count = 0;
  do {
    digits[count++] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  while (count > 0) PortPutChar(digits[--count]);
}

void PutQuoted(const char* text) {
  PortPutChar('"');
  for (; *text != '\0'; ++text) {
    const bool plain = *text >= ' ' && *text <= '~' && *text != '"' && *text != '\\';
    PortPutChar(plain ? *text : '_');
  }
  PortPutChar('"');
}

void PutField(const char* key, std::uint64_t value) {
  Put(",\"");
  Put(key);
  Put("\":");
  PutNumber(value);
}

void PutField(const char* key, const char* text) {
  Put(",\"");
  Put(key);
  Put("\":");
  PutQuoted(text);
}

void BeginLine() { Put("{\"facerec_bench\":1"); }

void EndLine() { Put("}\r\n"); }

void PutMark(const char* key) {
  BeginLine();
  PutField(key, static_cast<std::uint64_t>(kBenchModelCount));
  EndLine();
}

void PutError(const BenchModel& model, const char* error) {
  BeginLine();
  PutField("model", model.name);
  PutField("error", error);
  PutField("arena_bytes", static_cast<std::uint64_t>(model.arena_bytes));
  EndLine();
}

// Of the sorted cycles, by nearest rank: the smallest that so many per cent of them do not exceed.
std::uint64_t Percentile(int runs, int percent) { return g_cycles[(runs * percent + 99) / 100 - 1]; }

void PutResult(const BenchModel& model, int runs, std::size_t arena_used_bytes) {
  std::sort(g_cycles, g_cycles + runs);
  BeginLine();
  PutField("model", model.name);
  Put(",\"width\":");
  Put(model.width);
  PutField("resolution", static_cast<std::uint64_t>(model.resolution));
  PutField("embedding", static_cast<std::uint64_t>(model.embedding));
  PutField("channels", static_cast<std::uint64_t>(model.channels));
  PutField("core", PortCore());
  PutField("clock_hz", static_cast<std::uint64_t>(PortClockHz()));
  PutField("runtime", "TFLM");
  PutField("runtime_version", BENCH_RUNTIME_VERSION);
  PutField("kernels", BENCH_KERNELS);
  PutField("n", static_cast<std::uint64_t>(runs));
  PutField("cycles_median", g_cycles[runs / 2]);
  PutField("cycles_min", g_cycles[0]);
  PutField("cycles_p5", Percentile(runs, 5));
  PutField("cycles_p95", Percentile(runs, 95));
  PutField("cycles_max", g_cycles[runs - 1]);
  PutField("arena_used_bytes", static_cast<std::uint64_t>(arena_used_bytes));
  EndLine();
}

// Filled before every inference: the interpreter reuses the input's memory for later tensors.
void FillInput(TfLiteTensor* input) {
  std::uint32_t state = 1;
  for (std::size_t i = 0; i < input->bytes; ++i) {
    state = state * 1664525u + 1013904223u;
    input->data.int8[i] = static_cast<std::int8_t>(state >> 24);
  }
}

// The inferences of one network into g_cycles; what went wrong, or nullptr.
const char* TimeInferences(tflite::MicroInterpreter& interpreter, int runs) {
  for (int run = -kBenchWarmUpRuns; run < runs; ++run) {
    FillInput(interpreter.input(0));
    PortStart();
    const TfLiteStatus status = interpreter.Invoke();
    const std::uint64_t cycles = PortStop();
    if (status != kTfLiteOk) return "inference failed";
    if (PortTrouble() != nullptr) return PortTrouble();
    if (run >= 0) g_cycles[run] = cycles;
  }
  return nullptr;
}

void Bench(const BenchModel& model, const BenchResolver& resolver) {
  const tflite::Model* graph = tflite::GetModel(model.data);
  if (graph->version() != TFLITE_SCHEMA_VERSION) return PutError(model, "schema version");
  tflite::MicroInterpreter interpreter(graph, resolver, g_bench_arena, model.arena_bytes);
  // The resolver holds every operator of these files, so what is left to fail is the memory.
  if (interpreter.AllocateTensors() != kTfLiteOk) return PutError(model, "arena too small");
  const TfLiteTensor* input = interpreter.input(0);
  if (input == nullptr || input->type != kTfLiteInt8) return PutError(model, "input is not int8");
  const char* trouble = TimeInferences(interpreter, kBenchRuns);
  if (trouble != nullptr) return PutError(model, trouble);
  PutResult(model, kBenchRuns, interpreter.arena_used_bytes());
}

}  // namespace

void RunBench() {
  tflite::InitializeTarget();
  static BenchResolver resolver;
  const bool complete = AddOperators(resolver);
  PutMark("begin");
  for (std::size_t i = 0; i < kBenchModelCount; ++i) {
    if (complete) {
      Bench(kBenchModels[i], resolver);
    } else {
      PutError(kBenchModels[i], "operators missing");
    }
  }
  PutMark("end");
}
