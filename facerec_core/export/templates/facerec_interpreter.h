// The network in TensorFlow Lite Micro: pixels in, a fingerprint out.
#ifndef FACEREC_INTERPRETER_H_
#define FACEREC_INTERPRETER_H_

#include <cstddef>
#include <cstdint>

namespace facerec {

// Sets the interpreter up, once. What is wrong, in a few words; nullptr when it is ready.
const char* Start();

// The fingerprint of a face, FACEREC_DIMENSION numbers; nullptr when the inference failed.
//
// `rgb`: FACEREC_SIDE x FACEREC_SIDE pixels, row by row, red, green and blue a byte each, cropped or aligned as the
// model card says. The result is overwritten by the next call.
const std::int8_t* Fingerprint(const std::uint8_t* rgb);

// What the interpreter has taken of the arena; 0 before Start().
std::size_t ArenaUsedBytes();

}  // namespace facerec

#endif  // FACEREC_INTERPRETER_H_
