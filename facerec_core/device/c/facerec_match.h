/* Whose fingerprint is this? */
#ifndef FACEREC_MATCH_H
#define FACEREC_MATCH_H

#include "facerec_gallery.h"
#include "facerec_score.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FACEREC_NOBODY UINT32_MAX

/* Scores are in units of 2^-30, FACEREC_ONE is a cosine of 1. Where the gallery
 * has no such person, the person is FACEREC_NOBODY and the score -FACEREC_ONE.
 * Of equal scores the person first in the gallery is nearer. */
typedef struct {
  int known;               /* 1 if `score` reaches the threshold, else 0 */
  uint32_t person;         /* the nearest, known or not */
  int32_t score;
  uint32_t second_person;
  int32_t second_score;
  int64_t margin;          /* score less threshold */
  int64_t margin_to_second;
} facerec_result;

/* Compare an output of the network with everyone in an opened gallery.
 *
 * With FACEREC_BEST a person's score is that of the best fingerprint, with
 * FACEREC_MEAN the mean of all of them, rounded towards zero.
 * Returns FACEREC_OTHER_DIMENSION and leaves `result` alone if the fingerprint
 * has another length than those of the gallery. */
facerec_status facerec_match(const facerec_gallery *gallery,
                             const int8_t *fingerprint, size_t dimension,
                             facerec_method method, int32_t threshold,
                             facerec_result *result);

/* The same with the gallery's own method and first threshold. */
facerec_status facerec_identify(const facerec_gallery *gallery,
                                const int8_t *fingerprint, size_t dimension,
                                facerec_result *result);

#ifdef __cplusplus
}
#endif

#endif
