#include "facerec_match.h"

static int32_t person_score(const facerec_gallery *gallery, uint32_t person,
                            const int8_t *probe, uint32_t probe_norm,
                            facerec_method method) {
  uint32_t entry, begin, end;
  int64_t sum = 0;
  int32_t best = -FACEREC_ONE;
  facerec_gallery_range(gallery, person, &begin, &end);
  for (entry = begin; entry < end; ++entry) {
    uint32_t norm;
    const int8_t *enrolled =
        facerec_gallery_fingerprint(gallery, entry, &norm);
    const int32_t score =
        facerec_score(enrolled, norm, probe, probe_norm, gallery->dimension,
                      gallery->zero_point);
    sum += score;
    if (score > best) {
      best = score;
    }
  }
  return method == FACEREC_MEAN ? (int32_t)(sum / (int64_t)(end - begin)) : best;
}

static void hear(facerec_result *result, uint32_t person, int32_t score) {
  if (result->person == FACEREC_NOBODY || score > result->score) {
    result->second_person = result->person;
    result->second_score = result->score;
    result->person = person;
    result->score = score;
  } else if (result->second_person == FACEREC_NOBODY ||
             score > result->second_score) {
    result->second_person = person;
    result->second_score = score;
  }
}

facerec_status facerec_match(const facerec_gallery *gallery,
                             const int8_t *fingerprint, size_t dimension,
                             facerec_method method, int32_t threshold,
                             facerec_result *result) {
  uint32_t person, norm;
  if (dimension != gallery->dimension) {
    return FACEREC_OTHER_DIMENSION;
  }
  norm = facerec_inverse_norm(fingerprint, dimension, gallery->zero_point);
  result->person = result->second_person = FACEREC_NOBODY;
  result->score = result->second_score = -FACEREC_ONE;
  for (person = 0; person < gallery->person_count; ++person) {
    hear(result, person,
         person_score(gallery, person, fingerprint, norm, method));
  }
  result->known =
      result->person != FACEREC_NOBODY && result->score >= threshold;
  result->margin = (int64_t)result->score - threshold;
  result->margin_to_second = (int64_t)result->score - result->second_score;
  return FACEREC_OK;
}

facerec_status facerec_identify(const facerec_gallery *gallery,
                                const int8_t *fingerprint, size_t dimension,
                                facerec_result *result) {
  return facerec_match(gallery, fingerprint, dimension, gallery->method,
                       gallery->thresholds[0], result);
}
