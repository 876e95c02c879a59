/* A gallery of fingerprints, an .fpdb file of version 1, read where it lies.
 *
 * facerec_gallery_open() checks everything once: the sizes and offsets, the
 * checksum, the names and the lengths of the fingerprints. Nothing is copied;
 * the bytes have to stay as they are for as long as the gallery is used. They
 * need no alignment, and the machine may be of either byte order.
 */
#ifndef FACEREC_GALLERY_H
#define FACEREC_GALLERY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FACEREC_MAX_THRESHOLDS 4u
#define FACEREC_MODEL_ID_BYTES 32u
#define FACEREC_MAX_NAME_BYTES 128u

typedef enum {
  FACEREC_OK = 0,
  FACEREC_NOT_A_GALLERY = 1,   /* the first bytes are others */
  FACEREC_OTHER_VERSION = 2,   /* a gallery of another format version */
  FACEREC_TRUNCATED = 3,       /* fewer bytes than it says it has */
  FACEREC_DAMAGED = 4,         /* checksum, sizes, names or lengths are wrong */
  FACEREC_OTHER_MODEL = 5,     /* fingerprints of another network */
  FACEREC_OTHER_DIMENSION = 6  /* a fingerprint of another length */
} facerec_status;

typedef enum { FACEREC_BEST = 1, FACEREC_MEAN = 2 } facerec_method;

/* Filled by facerec_gallery_open(); read it, do not write to it. */
typedef struct {
  const uint8_t *entries;   /* each an inverse norm and a fingerprint */
  const uint8_t *people;    /* rows of two numbers, one more than people */
  const uint8_t *names;
  const uint8_t *model_id;  /* SHA-256 of the network's .tflite file */
  uint32_t file_bytes;
  uint32_t entry_bytes;
  uint32_t entry_count;
  uint32_t person_count;
  uint16_t dimension;       /* numbers of a fingerprint */
  uint16_t input_side;      /* of the network's input, in pixels */
  int32_t zero_point;       /* of the network's output */
  facerec_method method;
  uint32_t threshold_count;
  int32_t thresholds[FACEREC_MAX_THRESHOLDS];     /* scores; the first holds */
  uint32_t far_billionths[FACEREC_MAX_THRESHOLDS]; /* 0: set by hand */
} facerec_gallery;

/* Check the gallery that begins at `data`, of which at most `length` bytes may
 * be read; behind it there may be others. On anything but FACEREC_OK the
 * gallery must not be used. */
facerec_status facerec_gallery_open(facerec_gallery *gallery, const void *data,
                                    size_t length);

/* FACEREC_OK if the gallery was made with the network of this SHA-256. */
facerec_status facerec_gallery_check_model(
    const facerec_gallery *gallery,
    const uint8_t model_id[FACEREC_MODEL_ID_BYTES]);

/* The name of a person, UTF-8 and ended by a zero; NULL if there is no such
 * person. It is text of whoever made the gallery: escape control characters
 * before a terminal sees it. */
const char *facerec_gallery_name(const facerec_gallery *gallery,
                                 uint32_t person);

/* The fingerprints `begin` to, not including, `end` belong to a person. */
void facerec_gallery_range(const facerec_gallery *gallery, uint32_t person,
                           uint32_t *begin, uint32_t *end);

/* A fingerprint, and what facerec_inverse_norm() would say of it; `entry` has to
 * be below entry_count. */
const int8_t *facerec_gallery_fingerprint(const facerec_gallery *gallery,
                                          uint32_t entry,
                                          uint32_t *inverse_norm);

#ifdef __cplusplus
}
#endif

#endif
