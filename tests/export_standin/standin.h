// Stand-in for TensorFlow Lite Micro, for tests of the exported C++ on a computer: the same calls, no arithmetic.
//
// An "inference" finds the golden face whose input it was given, and puts out its golden fingerprint.
#ifndef STANDIN_H_
#define STANDIN_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "facerec_golden_pixels.h"
#include "facerec_network.h"

extern "C" {
#include "facerec_golden.h"
}

#define TFLITE_SCHEMA_VERSION (3)

enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };
enum TfLiteType { kTfLiteNoType = 0, kTfLiteInt8 = 9 };
union TfLitePtrUnion {
  void* data;
  std::int8_t* int8;
};
struct TfLiteTensor {
  TfLiteType type;
  TfLitePtrUnion data;
  std::size_t bytes;
};

namespace tflite {

inline void InitializeTarget() {}

class Model {
 public:
  std::uint32_t version() const { return std::memcmp(reinterpret_cast<const char*>(this) + 4, "TFL3", 4) == 0 ? 3 : 0; }
};
inline const Model* GetModel(const void* buffer) { return static_cast<const Model*>(buffer); }

template <unsigned int tOpCount>
class MicroMutableOpResolver {
 public:
  TfLiteStatus AddMean() { return ++registered_ <= tOpCount ? kTfLiteOk : kTfLiteError; }

 private:
  unsigned int registered_ = 0;
};

class MicroInterpreter {
 public:
  template <typename Resolver>
  MicroInterpreter(const Model*, const Resolver&, std::uint8_t*, std::size_t arena_bytes) : arena_bytes_(arena_bytes) {}

  TfLiteStatus AllocateTensors() { return arena_bytes_ >= FACEREC_ARENA_DEVICE_BYTES ? kTfLiteOk : kTfLiteError; }
  TfLiteTensor* input(std::size_t) { return &input_; }
  TfLiteTensor* output(std::size_t) { return &output_; }
  std::size_t arena_used_bytes() const { return FACEREC_ARENA_DEVICE_BYTES; }

  TfLiteStatus Invoke() {
    for (std::size_t probe = 0; probe < FACEREC_GOLDEN_PROBES; ++probe) {
      if (!Shows(probe)) continue;
      std::memcpy(fingerprint_, facerec_golden_fingerprints[probe], sizeof fingerprint_);
      return kTfLiteOk;
    }
    return kTfLiteError;
  }

 private:
  bool Shows(std::size_t probe) const {
    for (std::size_t i = 0; i < sizeof pixels_; ++i) {
      if (pixels_[i] != facerec_golden_levels[facerec_golden_pixels[probe][i]]) return false;
    }
    return true;
  }

  std::size_t arena_bytes_;
  std::int8_t pixels_[FACEREC_SIDE * FACEREC_SIDE * 3] = {};
  std::int8_t fingerprint_[FACEREC_DIMENSION] = {};
  TfLiteTensor input_ = {kTfLiteInt8, {pixels_}, sizeof pixels_};
  TfLiteTensor output_ = {kTfLiteInt8, {fingerprint_}, sizeof fingerprint_};
};

}  // namespace tflite

#endif  // STANDIN_H_
