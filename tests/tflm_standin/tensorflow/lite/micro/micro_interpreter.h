// Stand-in for TensorFlow Lite Micro's interpreter, for tests on a computer: the same calls, no arithmetic.
//
// An inference takes as many cycles of the stand-in's clock as the network's shape suggests, a little more each time,
// and overwrites the input as the real one may. STANDIN_ARENA_BYTES is what every network is said to need.
#ifndef STANDIN_INTERPRETER_H_
#define STANDIN_INTERPRETER_H_

#include <cstdint>
#include <cstdlib>

#include "bench.h"
#include "tensorflow/lite/c/common.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

#define TFLITE_SCHEMA_VERSION (3)
#ifndef STANDIN_ARENA_BYTES
#define STANDIN_ARENA_BYTES 100000
#endif

#ifndef STANDIN_RUN  // what lets time pass; registers.h has another
inline std::uint64_t g_standin_cycles = 0;
#define STANDIN_RUN(cycles) (g_standin_cycles += (cycles))
#endif
#ifndef STANDIN_CYCLES_PER_MAC
#define STANDIN_CYCLES_PER_MAC 4.5
#endif

namespace tflite {

class MicroInterpreter {
 public:
  MicroInterpreter(const Model* model, const MicroOpResolver& resolver, std::uint8_t* arena, std::size_t arena_bytes)
      : resolver_(resolver), arena_bytes_(arena_bytes) {
    for (std::size_t i = 0; i < kBenchModelCount; ++i) {
      if (static_cast<const void*>(kBenchModels[i].data) == model) model_ = &kBenchModels[i];
    }
    const std::size_t side = static_cast<std::size_t>(model_->resolution);
    input_ = {kTfLiteInt8, {arena}, side * side * 3};
  }

  TfLiteStatus AllocateTensors() {
    const bool fits = arena_bytes_ >= STANDIN_ARENA_BYTES && input_.bytes <= arena_bytes_;
    allocated_ = fits && resolver_.registered() == 4;
    return allocated_ ? kTfLiteOk : kTfLiteError;
  }

  TfLiteStatus Invoke() {
    if (!allocated_ || input_.data.int8[0] == input_.data.int8[1]) return kTfLiteError;
    const double width = std::strtod(model_->width, nullptr), side = model_->resolution;
    const double macs = side * side * width * (4125 * width + 1855);
    STANDIN_RUN(static_cast<std::uint64_t>(STANDIN_CYCLES_PER_MAC * macs) + 1000 * invocations_++);
    input_.data.int8[0] = input_.data.int8[1] = 0;
    return kTfLiteOk;
  }

  TfLiteTensor* input(std::size_t) { return &input_; }
  std::size_t arena_used_bytes() const { return STANDIN_ARENA_BYTES; }

 private:
  const BenchModel* model_ = nullptr;
  const MicroOpResolver& resolver_;
  std::size_t arena_bytes_;
  TfLiteTensor input_ = {};
  std::uint64_t invocations_ = 0;
  bool allocated_ = false;
};

}  // namespace tflite

#endif  // STANDIN_INTERPRETER_H_
