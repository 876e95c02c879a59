/* The gallery reader fed by libFuzzer.
 *
 * The first byte says whether size and checksum are made to fit, as somebody
 * would who means harm; the others are the gallery. Memory is allocated to
 * size, so that the address sanitizer sees every byte read beyond. What is
 * accepted has to keep its promises: the process ends where it does not. At
 * the end it says how many inputs were accepted, and of how many.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "facerec_match.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long inputs, accepted;

static void demand(int holds) {
  if (!holds) {
    abort();
  }
}

static void say_counts(void) {
  fprintf(stderr, "accepted %lu of %lu\n", accepted, inputs);
}

static void put_u32(uint8_t *at, uint32_t value) {
  int i;
  for (i = 0; i < 4; ++i) {
    at[i] = (uint8_t)(value >> 8 * i);
  }
}

static uint32_t crc32_of(const uint8_t *bytes, size_t count) {
  uint32_t crc = UINT32_MAX;
  size_t i;
  int bit;
  for (i = 0; i < count; ++i) {
    crc ^= bytes[i];
    for (bit = 0; bit < 8; ++bit) {
      crc = (crc & 1u) ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
    }
  }
  return ~crc;
}

static void check_people(const facerec_gallery *gallery) {
  uint32_t person, begin, end, next = 0;
  for (person = 0; person < gallery->person_count; ++person) {
    const char *name = facerec_gallery_name(gallery, person);
    demand(name != NULL && strlen(name) >= 1 &&
           strlen(name) <= FACEREC_MAX_NAME_BYTES);
    facerec_gallery_range(gallery, person, &begin, &end);
    demand(begin == next && begin < end && end <= gallery->entry_count);
    next = end;
  }
  demand(next == gallery->entry_count);
  demand(facerec_gallery_name(gallery, gallery->person_count) == NULL);
}

static void check_matches(const facerec_gallery *gallery) {
  static const facerec_method methods[] = {FACEREC_BEST, FACEREC_MEAN};
  facerec_result found;
  uint32_t norm, entry, way;
  for (entry = 0; entry < gallery->entry_count; ++entry) {
    const int8_t *probe = facerec_gallery_fingerprint(gallery, entry, &norm);
    for (way = 0; way < 2; ++way) {
      demand(facerec_match(gallery, probe, gallery->dimension, methods[way],
                           gallery->thresholds[0], &found) == FACEREC_OK);
      demand(found.person < gallery->person_count);
      demand(found.score <= FACEREC_ONE && found.score >= -FACEREC_ONE);
      demand(found.known == (found.score >= gallery->thresholds[0]));
      demand(found.margin_to_second >= 0);
    }
  }
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  return atexit(say_counts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  facerec_gallery gallery;
  uint8_t *bytes;
  ++inputs;
  if (size < 2) {
    return 0;
  }
  bytes = malloc(size - 1);
  demand(bytes != NULL);
  memcpy(bytes, data + 1, size - 1);
  if ((data[0] & 1u) && size - 1 > 16) {
    put_u32(bytes + 8, (uint32_t)(size - 1));
    put_u32(bytes + size - 5, crc32_of(bytes, size - 5));
  }
  if (facerec_gallery_open(&gallery, bytes, size - 1) == FACEREC_OK) {
    ++accepted;
    check_people(&gallery);
    check_matches(&gallery);
  }
  free(bytes);
  return 0;
}
