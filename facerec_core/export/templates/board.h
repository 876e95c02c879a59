// What the examples need from the board. The three places marked FILL IN are yours; as they are, the golden faces stand
// for the camera and standard output for the display.
#ifndef FACEREC_BOARD_H_
#define FACEREC_BOARD_H_

#include <cstddef>
#include <cstdint>
#include <cstdio>

#include "facerec_golden_pixels.h"

// FILL IN 1: bring up clocks, flash wait states, caches, camera and UART as your product has them.
inline void BoardInit() {}

// FILL IN 2: the next face, FACEREC_SIDE x FACEREC_SIDE RGB pixels, or nullptr to end. Average pixels when you shrink.
inline const std::uint8_t* BoardNextFace() {
  static std::size_t next = 0;
  return next < FACEREC_GOLDEN_PROBES ? facerec_golden_pixels[next++] : nullptr;
}

// FILL IN 3: show a line of text. Names are text of whoever made the gallery: escape what your display might act on.
inline void BoardSay(const char* line) { std::printf("%s\n", line); }

#endif  // FACEREC_BOARD_H_
