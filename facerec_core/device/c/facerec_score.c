#include "facerec_score.h"

/* floor(sqrt(value)), a bit of the root at a time. */
static uint32_t square_root(uint64_t value) {
  uint64_t root = 0;
  uint64_t bit = (uint64_t)1 << 62;
  while (bit > value) {
    bit >>= 2;
  }
  while (bit != 0) {
    if (value >= root + bit) {
      value -= root + bit;
      root = (root >> 1) + bit;
    } else {
      root >>= 1;
    }
    bit >>= 2;
  }
  return (uint32_t)root;
}

static int32_t dot_product(const int8_t *first, const int8_t *second,
                           size_t dimension, int32_t zero_point) {
  int32_t sum = 0;
  size_t i;
  for (i = 0; i < dimension; ++i) {
    sum += ((int32_t)first[i] - zero_point) * ((int32_t)second[i] - zero_point);
  }
  return sum;
}

uint32_t facerec_inverse_norm(const int8_t *fingerprint, size_t dimension,
                              int32_t zero_point) {
  const int32_t squared =
      dot_product(fingerprint, fingerprint, dimension, zero_point);
  if (squared == 0) {
    return 0;
  }
  /* The floor of the quotient has the same floor of its root. */
  return square_root(((uint64_t)1 << 62) / (uint64_t)squared);
}

int32_t facerec_score(const int8_t *first, uint32_t first_inverse_norm,
                      const int8_t *second, uint32_t second_inverse_norm,
                      size_t dimension, int32_t zero_point) {
  const int64_t dot = dot_product(first, second, dimension, zero_point);
  const int64_t product =
      dot * (int64_t)first_inverse_norm * (int64_t)second_inverse_norm;
  return (int32_t)(product / ((int64_t)1 << 32));
}

int32_t facerec_compare(const int8_t *first, const int8_t *second,
                        size_t dimension, int32_t zero_point) {
  if (dimension > FACEREC_MAX_DIMENSION) {
    return 0;
  }
  return facerec_score(
      first, facerec_inverse_norm(first, dimension, zero_point), second,
      facerec_inverse_norm(second, dimension, zero_point), dimension,
      zero_point);
}
