/* Cosine similarity of int8 fingerprints, in integers.
 *
 * A score is a cosine in units of 2^-30: FACEREC_ONE is a cosine of 1. With a
 * and b the fingerprints less the zero point of the network's output,
 *
 *   dot          = sum(a * b)                    below 2^28, at most 4096 numbers
 *   inverse norm = floor(2^31 / sqrt(sum(a * a)))             at most 2^31
 *   score        = dot * inverse norm(a) * inverse norm(b) / 2^32, towards zero
 *
 * By Cauchy's inequality the product stays within 2^62. Rounding the inverse
 * norms down brings the score nearer to zero than the cosine by at most 1.6e-5.
 */
#ifndef FACEREC_SCORE_H
#define FACEREC_SCORE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FACEREC_ONE ((int32_t)1 << 30)
#define FACEREC_MAX_DIMENSION 4096u

/* Below, `zero_point` is that of the network's int8 output, -128 to 127, and
 * `dimension` at most FACEREC_MAX_DIMENSION. */

/* The inverse norm of a fingerprint; 0 for one of length zero. */
uint32_t facerec_inverse_norm(const int8_t *fingerprint, size_t dimension,
                              int32_t zero_point);

/* The score of two fingerprints of one network, given their inverse norms as
 * facerec_inverse_norm states them. */
int32_t facerec_score(const int8_t *first, uint32_t first_inverse_norm,
                      const int8_t *second, uint32_t second_inverse_norm,
                      size_t dimension, int32_t zero_point);

/* The same where the inverse norms are not known: do two images show one
 * person? They do if the score reaches the threshold. More numbers than allowed
 * give 0. */
int32_t facerec_compare(const int8_t *first, const int8_t *second,
                        size_t dimension, int32_t zero_point);

#ifdef __cplusplus
}
#endif

#endif
