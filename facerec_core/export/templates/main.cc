// An example: who of the gallery stands before the camera, or "unknown".
//
// The gallery here is the golden one. For yours, enrol people with `python -m sweep enroll`, run
// `python -m sweep gallery export`, and put facerec_people in the place of facerec_golden_gallery.
#include "board.h"
#include "facerec_interpreter.h"
#include "facerec_model.h"
#include "facerec_network.h"

extern "C" {
#include "facerec_golden.h"
#include "facerec_match.h"
}

namespace {

// Checked once: the file as a whole, and that it was made with this network.
const char* OpenGallery(facerec_gallery* gallery) {
  if (facerec_gallery_open(gallery, facerec_golden_gallery, sizeof facerec_golden_gallery) != FACEREC_OK) {
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
