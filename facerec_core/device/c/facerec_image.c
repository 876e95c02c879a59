#include "facerec_image.h"

/* Scales are stored as floats, which leaves exact halves a little to either
 * side. */
#define HALF_STEP_SLACK 1e-4

static int8_t level(double step) {
  int32_t whole;
  if (step <= -128.0) {
    return -128;
  }
  if (step >= 127.0) {
    return 127;
  }
  whole = (int32_t)step;
  return (int8_t)((double)whole > step ? whole - 1 : whole);
}

int facerec_input_levels(int8_t levels[256], double scale, int32_t zero_point) {
  int32_t pixel;
  if (!(scale > 0.0)) {
    return 0;
  }
  for (pixel = 0; pixel < 256; ++pixel) {
    const double real = (double)pixel / 127.5 - 1.0;
    levels[pixel] =
        level(real / scale + (double)zero_point + 0.5 + HALF_STEP_SLACK);
  }
  return 1;
}

void facerec_image_to_input(const uint8_t *rgb, size_t count,
                            const int8_t levels[256], int8_t *input) {
  size_t i;
  for (i = 0; i < count; ++i) {
    input[i] = levels[rgb[i]];
  }
}
