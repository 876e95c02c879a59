#include "facerec_self_test.h"

#include <string.h>

#include "facerec_golden.h"
#include "facerec_image.h"
#include "facerec_match.h"
#include "facerec_network.h"

static facerec_say say_line;
static int failures;

static void check(int holds, const char *line) {
  if (!holds) {
    ++failures;
    if (say_line != NULL) {
      say_line(line);
    }
  }
}

static void check_levels(void) {
  int8_t levels[256], input[256];
  uint8_t pixels[256];
  size_t value;
  for (value = 0; value < 256; ++value) {
    pixels[value] = (uint8_t)value;
  }
  check(facerec_input_levels(levels, FACEREC_INPUT_SCALE,
                             FACEREC_INPUT_ZERO_POINT),
        "input scale refused");
  check(memcmp(levels, facerec_golden_levels, sizeof levels) == 0,
        "pixel values become other levels");
  facerec_image_to_input(pixels, 256, levels, input);
  check(memcmp(input, facerec_golden_levels, sizeof input) == 0,
        "pixels become another input");
}

static void check_damage(void) {
  static uint8_t damaged[FACEREC_GOLDEN_GALLERY_BYTES];
  facerec_gallery gallery;
  memcpy(damaged, facerec_golden_gallery, sizeof damaged);
  damaged[sizeof damaged / 2] ^= 1u;
  check(facerec_gallery_open(&gallery, damaged, sizeof damaged) != FACEREC_OK,
        "a damaged gallery is taken");
  check(facerec_gallery_open(&gallery, facerec_golden_gallery,
                             sizeof facerec_golden_gallery - 1) != FACEREC_OK,
        "a gallery that was cut is taken");
}

static void check_names(const facerec_gallery *gallery) {
  uint32_t person;
  check(gallery->person_count == FACEREC_GOLDEN_PEOPLE, "other people");
  for (person = 0; person < gallery->person_count; ++person) {
    const char *name = facerec_gallery_name(gallery, person);
    check(name != NULL && strcmp(name, facerec_golden_names[person]) == 0,
          "another name");
  }
}

static void check_match(const facerec_gallery *gallery,
                        const facerec_golden_match *wanted) {
  facerec_result found;
  facerec_status status = facerec_match(
      gallery, facerec_golden_fingerprints[wanted->probe], FACEREC_DIMENSION,
      wanted->method, wanted->threshold, &found);
  check(status == FACEREC_OK, "a match is refused");
  if (status != FACEREC_OK) {
    return;
  }
  check(found.known == wanted->known, "known and unknown differ");
  check(found.person == wanted->person, "another person is nearest");
  check(found.score == wanted->score, "another score");
  check(found.second_person == wanted->second_person, "another second person");
  check(found.second_score == wanted->second_score, "another second score");
  check(found.margin == (int64_t)wanted->score - wanted->threshold,
        "another margin to the threshold");
  check(found.margin_to_second ==
            (int64_t)wanted->score - wanted->second_score,
        "another margin to the second person");
}

int facerec_self_test(facerec_say say) {
  uint8_t other_model[FACEREC_MODEL_ID_BYTES];
  facerec_gallery gallery;
  size_t at;
  say_line = say;
  failures = 0;
  check_levels();
  check_damage();
  if (facerec_gallery_open(&gallery, facerec_golden_gallery,
                           sizeof facerec_golden_gallery) != FACEREC_OK) {
    check(0, "the golden gallery is refused");
    return failures;
  }
  check(facerec_gallery_check_model(&gallery, facerec_model_sha256) ==
            FACEREC_OK,
        "the golden gallery is of another network");
  memcpy(other_model, facerec_model_sha256, sizeof other_model);
  other_model[0] ^= 1u;
  check(facerec_gallery_check_model(&gallery, other_model) ==
            FACEREC_OTHER_MODEL,
        "a gallery of another network is taken");
  check_names(&gallery);
  for (at = 0; at < FACEREC_GOLDEN_MATCHES; ++at) {
    check_match(&gallery, &facerec_golden_matches[at]);
  }
  return failures;
}
