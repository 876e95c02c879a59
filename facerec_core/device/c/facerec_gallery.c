#include "facerec_gallery.h"

#include <string.h>

#include "facerec_score.h"

#define HEADER_BYTES 128u
#define PERSON_BYTES 8u
#define CRC_BYTES 4u
#define MODEL_ID_AT 64u
#define THRESHOLDS_AT 96u
#define MILLION 1000000u
#define BILLION 1000000000u

static uint32_t u16_at(const uint8_t *bytes) {
  return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8;
}

static uint32_t u32_at(const uint8_t *bytes) {
  return u16_at(bytes) | u16_at(bytes + 2) << 16;
}

/* Two's complement, whatever the machine makes of a conversion out of range. */
static int32_t i32_at(const uint8_t *bytes) {
  const uint32_t bits = u32_at(bytes);
  return bits < 0x80000000u ? (int32_t)bits
                            : (int32_t)(bits - 0x80000000u) - INT32_MAX - 1;
}

static int32_t i8_at(const uint8_t *bytes) {
  return bytes[0] < 128 ? (int32_t)bytes[0] : (int32_t)bytes[0] - 256;
}

static int all_zero(const uint8_t *bytes, size_t count) {
  size_t i;
  for (i = 0; i < count; ++i) {
    if (bytes[i] != 0) {
      return 0;
    }
  }
  return 1;
}

/* CRC-32 as in zlib (polynomial 0x04C11DB7, reflected), four bits at a time. */
static uint32_t crc32_of(const uint8_t *bytes, size_t count) {
  static const uint32_t table[16] = {
      0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu,
      0x76DC4190u, 0x6B6B51F4u, 0x4DB26158u, 0x5005713Cu,
      0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu,
      0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu};
  uint32_t crc = 0xFFFFFFFFu;
  size_t i;
  for (i = 0; i < count; ++i) {
    crc ^= bytes[i];
    crc = crc >> 4 ^ table[crc & 15u];
    crc = crc >> 4 ^ table[crc & 15u];
  }
  return crc ^ 0xFFFFFFFFu;
}

static uint64_t aligned(uint64_t bytes) { return (bytes + 3u) / 4u * 4u; }

/* Sizes and offsets have to be what the counts make them. */
static int fits(const uint8_t *header, facerec_gallery *gallery,
                uint32_t *names_bytes) {
  uint64_t people_at, names_at, end;
  gallery->dimension = (uint16_t)u16_at(header + 12);
  gallery->entry_bytes = u16_at(header + 14);
  gallery->entry_count = u32_at(header + 16);
  gallery->person_count = u32_at(header + 20);
  *names_bytes = u32_at(header + 36);
  if (gallery->dimension == 0 || gallery->dimension > FACEREC_MAX_DIMENSION ||
      gallery->entry_bytes != 4u + aligned(gallery->dimension)) {
    return 0;
  }
  people_at = HEADER_BYTES + (uint64_t)gallery->entry_count * gallery->entry_bytes;
  names_at = people_at + ((uint64_t)gallery->person_count + 1u) * PERSON_BYTES;
  end = names_at + aligned(*names_bytes) + CRC_BYTES;
  return u16_at(header + 6) == HEADER_BYTES && end == gallery->file_bytes &&
         u32_at(header + 24) == HEADER_BYTES &&
         u32_at(header + 28) == people_at && u32_at(header + 32) == names_at;
}

static int read_thresholds(const uint8_t *header, facerec_gallery *gallery) {
  uint32_t i;
  gallery->threshold_count = header[43];
  if (gallery->threshold_count < 1 ||
      gallery->threshold_count > FACEREC_MAX_THRESHOLDS) {
    return 0;
  }
  for (i = 0; i < FACEREC_MAX_THRESHOLDS; ++i) {
    const uint8_t *at = header + THRESHOLDS_AT + 8u * i;
    gallery->far_billionths[i] = u32_at(at);
    gallery->thresholds[i] = i32_at(at + 4);
    if (gallery->far_billionths[i] > BILLION ||
        gallery->thresholds[i] > FACEREC_ONE ||
        gallery->thresholds[i] < -FACEREC_ONE ||
        (i >= gallery->threshold_count && !all_zero(at, 8))) {
      return 0;
    }
  }
  return 1;
}

static int read_values(const uint8_t *header, facerec_gallery *gallery) {
  const uint32_t scale_bits = u32_at(header + 44);
  const uint32_t crop = u32_at(header + 52);
  gallery->zero_point = i8_at(header + 40);
  if (header[41] > 2 || header[42] < 1 || header[42] > 2) {
    return 0;
  }
  gallery->method = header[42] == 1 ? FACEREC_BEST : FACEREC_MEAN;
  gallery->input_side = (uint16_t)u16_at(header + 48);
  /* The bits of a float above zero that is neither infinite nor no number. */
  return scale_bits > 0 && scale_bits < 0x7F800000u &&
         gallery->input_side > 0 && u16_at(header + 50) > 0 && crop > 0 &&
         crop <= MILLION && all_zero(header + 56, 8) &&
         read_thresholds(header, gallery);
}

/* Everyone has a fingerprint and a name, and nothing belongs to nobody. */
static int check_people(const facerec_gallery *gallery, uint32_t names_bytes) {
  const uint8_t *row = gallery->people;
  uint32_t person;
  if (u32_at(row) != 0 || u32_at(row + 4) != 0) {
    return 0;
  }
  for (person = 0; person < gallery->person_count; ++person, row += PERSON_BYTES) {
    if (u32_at(row + 8) <= u32_at(row) || u32_at(row + 12) <= u32_at(row + 4)) {
      return 0;
    }
  }
  return u32_at(row) == gallery->entry_count && u32_at(row + 4) == names_bytes;
}

/* How many bytes the UTF-8 character at `text` has, which ends before `end`; 0
 * if it is none. RFC 3629: no overlong forms, no surrogates, U+10FFFF last. */
static size_t character_bytes(const uint8_t *text, const uint8_t *end) {
  const uint8_t lead = text[0];
  uint8_t low = 0x80, high = 0xBF;
  size_t count, i;
  if (lead < 0x80) {
    return lead == 0 ? 0 : 1;
  }
  if (lead < 0xC2 || lead > 0xF4) {
    return 0;
  }
  count = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if ((size_t)(end - text) < count) {
    return 0;
  }
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  if (text[1] < low || text[1] > high) {
    return 0;
  }
  for (i = 2; i < count; ++i) {
    if (text[i] < 0x80 || text[i] > 0xBF) {
      return 0;
    }
  }
  return count;
}

static int is_name(const uint8_t *name, size_t bytes_with_end) {
  const uint8_t *end = name + bytes_with_end - 1;
  if (bytes_with_end < 2 || bytes_with_end > FACEREC_MAX_NAME_BYTES + 1u ||
      *end != 0) {
    return 0;
  }
  while (name < end) {
    const size_t bytes = character_bytes(name, end);
    if (bytes == 0) {
      return 0;
    }
    name += bytes;
  }
  return 1;
}

/* UTF-8, ascending, and so nobody twice. check_people() goes before. */
static int check_names(const facerec_gallery *gallery, uint32_t names_bytes) {
  const uint8_t *row = gallery->people;
  const uint8_t *before = NULL;
  uint32_t person;
  for (person = 0; person < gallery->person_count; ++person, row += PERSON_BYTES) {
    const uint8_t *name = gallery->names + u32_at(row + 4);
    if (!is_name(name, u32_at(row + 12) - u32_at(row + 4)) ||
        (before != NULL &&
         strcmp((const char *)before, (const char *)name) >= 0)) {
      return 0;
    }
    before = name;
  }
  return all_zero(gallery->names + names_bytes,
                  (size_t)(aligned(names_bytes) - names_bytes));
}

static int check_entries(const facerec_gallery *gallery) {
  const size_t used = 4u + (size_t)gallery->dimension;
  uint32_t entry;
  for (entry = 0; entry < gallery->entry_count; ++entry) {
    uint32_t stated;
    const int8_t *fingerprint =
        facerec_gallery_fingerprint(gallery, entry, &stated);
    const uint8_t *padding = (const uint8_t *)fingerprint - 4 + used;
    if (stated != facerec_inverse_norm(fingerprint, gallery->dimension,
                                       gallery->zero_point) ||
        !all_zero(padding, gallery->entry_bytes - used)) {
      return 0;
    }
  }
  return 1;
}

facerec_status facerec_gallery_open(facerec_gallery *gallery, const void *data,
                                    size_t length) {
  const uint8_t *bytes = (const uint8_t *)data;
  uint32_t names_bytes;
  if (length < 4 || memcmp(bytes, "FPDB", 4) != 0) {
    return FACEREC_NOT_A_GALLERY;
  }
  if (length <= HEADER_BYTES) {
    return FACEREC_TRUNCATED;
  }
  if (u16_at(bytes + 4) != 1) {
    return FACEREC_OTHER_VERSION;
  }
  gallery->file_bytes = u32_at(bytes + 8);
  if (gallery->file_bytes > length) {
    return FACEREC_TRUNCATED;
  }
  if (gallery->file_bytes <= HEADER_BYTES ||
      crc32_of(bytes, gallery->file_bytes - CRC_BYTES) !=
          u32_at(bytes + gallery->file_bytes - CRC_BYTES) ||
      !fits(bytes, gallery, &names_bytes) || !read_values(bytes, gallery)) {
    return FACEREC_DAMAGED;
  }
  gallery->entries = bytes + HEADER_BYTES;
  gallery->people = bytes + u32_at(bytes + 28);
  gallery->names = bytes + u32_at(bytes + 32);
  gallery->model_id = bytes + MODEL_ID_AT;
  return check_people(gallery, names_bytes) &&
                 check_names(gallery, names_bytes) && check_entries(gallery)
             ? FACEREC_OK
             : FACEREC_DAMAGED;
}

facerec_status facerec_gallery_check_model(
    const facerec_gallery *gallery,
    const uint8_t model_id[FACEREC_MODEL_ID_BYTES]) {
  return memcmp(gallery->model_id, model_id, FACEREC_MODEL_ID_BYTES) == 0
             ? FACEREC_OK
             : FACEREC_OTHER_MODEL;
}

const char *facerec_gallery_name(const facerec_gallery *gallery,
                                 uint32_t person) {
  if (person >= gallery->person_count) {
    return NULL;
  }
  return (const char *)gallery->names +
         u32_at(gallery->people + (size_t)person * PERSON_BYTES + 4);
}

void facerec_gallery_range(const facerec_gallery *gallery, uint32_t person,
                           uint32_t *begin, uint32_t *end) {
  const uint8_t *row;
  *begin = *end = 0;
  if (person < gallery->person_count) {
    row = gallery->people + (size_t)person * PERSON_BYTES;
    *begin = u32_at(row);
    *end = u32_at(row + PERSON_BYTES);
  }
}

const int8_t *facerec_gallery_fingerprint(const facerec_gallery *gallery,
                                          uint32_t entry,
                                          uint32_t *inverse_norm) {
  const uint8_t *at = gallery->entries + (size_t)entry * gallery->entry_bytes;
  *inverse_norm = u32_at(at);
  return (const int8_t *)(at + 4);
}
