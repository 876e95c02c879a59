/* The matching library fed from standard input, for comparison with Python.
 *
 * In: cases of u32 gallery bytes, the gallery, u32 probes, u32 numbers a probe,
 * the probes; all little-endian. Out: a line "status S" a case, and for every
 * probe of a gallery that was opened a line for each way of matching. Memory is
 * allocated to size, so that a sanitizer sees every byte read beyond.
 * With the argument "levels": lines of scale and zero point in, 256 levels out.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "facerec_image.h"
#include "facerec_match.h"

static int read_u32(uint32_t *value) {
  uint8_t bytes[4];
  if (fread(bytes, 1, 4, stdin) != 4) {
    return 0;
  }
  *value = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 |
           (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
  return 1;
}

static void *read_exactly(size_t count) {
  void *bytes = malloc(count ? count : 1);
  if (bytes == NULL || fread(bytes, 1, count, stdin) != count) {
    exit(3);
  }
  return bytes;
}

static void print_result(const char *way, facerec_status status,
                         const facerec_result *found) {
  if (status != FACEREC_OK) {
    printf("%s refused %d\n", way, (int)status);
    return;
  }
  printf("%s %d %" PRIu32 " %" PRId32 " %" PRIu32 " %" PRId32 " %" PRId64
         " %" PRId64 "\n",
         way, found->known, found->person, found->score, found->second_person,
         found->second_score, found->margin, found->margin_to_second);
}

static void match_all(const facerec_gallery *gallery, const int8_t *probe,
                      size_t dimension) {
  const int32_t threshold = gallery->thresholds[gallery->threshold_count - 1];
  facerec_result found;
  facerec_status status = facerec_identify(gallery, probe, dimension, &found);
  print_result("own", status, &found);
  status = facerec_match(gallery, probe, dimension, FACEREC_BEST, threshold, &found);
  print_result("best", status, &found);
  status = facerec_match(gallery, probe, dimension, FACEREC_MEAN, threshold, &found);
  print_result("mean", status, &found);
  if (dimension == gallery->dimension && gallery->entry_count > 0) {
    uint32_t norm;
    const int8_t *first = facerec_gallery_fingerprint(gallery, 0, &norm);
    printf("first %" PRId32 "\n",
           facerec_compare(first, probe, dimension, gallery->zero_point));
  }
}

static void print_names(const facerec_gallery *gallery) {
  uint32_t person, begin, end;
  for (person = 0; person < gallery->person_count; ++person) {
    const char *name = facerec_gallery_name(gallery, person);
    facerec_gallery_range(gallery, person, &begin, &end);
    printf("person %" PRIu32 " %" PRIu32 " ", begin, end);
    for (; *name != '\0'; ++name) {
      printf("%02x", (unsigned)(uint8_t)*name);
    }
    printf("\n");
  }
  if (facerec_gallery_name(gallery, gallery->person_count) != NULL) {
    exit(4);
  }
}

static int gallery_cases(int with_names) {
  uint32_t size, probes, dimension, probe;
  while (read_u32(&size)) {
    uint8_t *bytes = read_exactly(size);
    facerec_gallery gallery;
    facerec_status status;
    int8_t *values;
    if (!read_u32(&probes) || !read_u32(&dimension)) {
      return 3;
    }
    values = read_exactly((size_t)probes * dimension);
    memset(&gallery, 0xA5, sizeof gallery); /* nothing may rest on old content */
    status = facerec_gallery_open(&gallery, bytes, size);
    printf("status %d\n", (int)status);
    for (probe = 0; status == FACEREC_OK && probe < probes; ++probe) {
      match_all(&gallery, values + (size_t)probe * dimension, dimension);
    }
    if (status == FACEREC_OK && with_names) {
      print_names(&gallery);
    }
    free(values);
    free(bytes);
  }
  return 0;
}

static int level_cases(void) {
  double scale;
  int zero_point, pixel;
  uint8_t pixels[256];
  int8_t levels[256], input[256];
  while (scanf("%lf %d", &scale, &zero_point) == 2) {
    if (!facerec_input_levels(levels, scale, zero_point)) {
      printf("refused\n");
      continue;
    }
    for (pixel = 0; pixel < 256; ++pixel) {
      pixels[pixel] = (uint8_t)pixel;
    }
    facerec_image_to_input(pixels, 256, levels, input);
    for (pixel = 0; pixel < 256; ++pixel) {
      printf("%d%c", (int)input[pixel], pixel == 255 ? '\n' : ' ');
    }
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "levels") == 0) {
    return level_cases();
  }
  return gallery_cases(argc > 1 && strcmp(argv[1], "names") == 0);
}
