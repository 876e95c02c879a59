#include "facerec_interpreter.h"

#include "facerec_image.h"
#include "facerec_model.h"
#include "facerec_network.h"
#include "facerec_operators.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/system_setup.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace facerec {
namespace {

constexpr std::size_t kPixelBytes = std::size_t{FACEREC_SIDE} * FACEREC_SIDE * FACEREC_CHANNELS;

// Give it a section of your linker script where it belongs into a certain memory.
alignas(16) std::uint8_t g_arena[FACEREC_ARENA_BYTES];
std::int8_t g_levels[256];
Resolver g_resolver;
tflite::MicroInterpreter* g_interpreter = nullptr;

bool IsInt8(const TfLiteTensor* tensor, std::size_t bytes) {
  return tensor != nullptr && tensor->type == kTfLiteInt8 && tensor->bytes == bytes;
}

}  // namespace

const char* Start() {
  if (g_interpreter != nullptr) return nullptr;
  tflite::InitializeTarget();
  const tflite::Model* model = tflite::GetModel(facerec_model);
  if (model->version() != TFLITE_SCHEMA_VERSION) return "the model has another schema version";
  if (!AddOperators(g_resolver)) return "operators missing";
  if (!facerec_input_levels(g_levels, FACEREC_INPUT_SCALE, FACEREC_INPUT_ZERO_POINT)) return "input scale";
  static tflite::MicroInterpreter interpreter(model, g_resolver, g_arena, sizeof g_arena);
  if (interpreter.AllocateTensors() != kTfLiteOk) return "the arena is too small";
  if (!IsInt8(interpreter.input(0), kPixelBytes)) return "the input is another";
  if (!IsInt8(interpreter.output(0), FACEREC_DIMENSION)) return "the output is another";
  g_interpreter = &interpreter;
  return nullptr;
}

const std::int8_t* Fingerprint(const std::uint8_t* rgb) {
  if (g_interpreter == nullptr) return nullptr;
  facerec_image_to_input(rgb, kPixelBytes, g_levels, g_interpreter->input(0)->data.int8);
  if (g_interpreter->Invoke() != kTfLiteOk) return nullptr;
  return g_interpreter->output(0)->data.int8;
}

std::size_t ArenaUsedBytes() { return g_interpreter == nullptr ? 0 : g_interpreter->arena_used_bytes(); }

}  // namespace facerec
