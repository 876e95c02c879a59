// An example: who of the gallery stands before the camera, or "unknown".
//
// The gallery is your own where facerec_people.h and .c of `python -m sweep gallery export` lie in library/, else the
// golden one.
#include "board.h"
#include "facerec_interpreter.h"
#include "facerec_match.h"
#include "facerec_network.h"

#if __has_include("facerec_people.h")
#include "facerec_people.h"
#define GALLERY facerec_people
#else
#include "facerec_golden.h"
#define GALLERY facerec_golden_gallery
#endif

namespace {

// Checked once: the file as a whole, and that it was made with this network.
const char* OpenGallery(facerec_gallery* gallery) {
  if (facerec_gallery_open(gallery, GALLERY, sizeof GALLERY) != FACEREC_OK) {
    return "the gallery is damaged";
  }
  const bool same = facerec_gallery_check_model(gallery, facerec_model_sha256) == FACEREC_OK;
  return same ? nullptr : "the gallery is of another network";
}

const char* Who(const facerec_gallery& gallery, const std::uint8_t* rgb) {
  const std::int8_t* fingerprint = facerec::Fingerprint(rgb);
  if (fingerprint == nullptr) return "the inference failed";
  facerec_result found;
  if (facerec_identify(&gallery, fingerprint, FACEREC_DIMENSION, &found) != FACEREC_OK) return "no match was made";
  return found.known ? facerec_gallery_name(&gallery, found.person) : "unknown";
}

}  // namespace

int main() {
  BoardInit();
  static facerec_gallery gallery;
  const char* trouble = facerec::Start();
  if (trouble == nullptr) trouble = OpenGallery(&gallery);
  if (trouble != nullptr) {
    BoardSay(trouble);
    return 1;
  }
  while (const std::uint8_t* rgb = BoardNextFace()) BoardSay(Who(gallery, rgb));
  return 0;
}
