// Stand-in: a model is its bytes; what is read of it is the mark and the schema's version.
#ifndef STANDIN_SCHEMA_H_
#define STANDIN_SCHEMA_H_

#include <cstdint>
#include <cstring>

namespace tflite {

class Model {
 public:
  std::uint32_t version() const {
    const char* bytes = reinterpret_cast<const char*>(this);
    return std::memcmp(bytes + 4, "TFL3", 4) == 0 ? 3 : 0;
  }
};

inline const Model* GetModel(const void* buffer) { return static_cast<const Model*>(buffer); }

}  // namespace tflite

#endif  // STANDIN_SCHEMA_H_
