// The self-test with the network: golden pixels through TensorFlow Lite Micro give the golden fingerprints, within a step.
#include <cstdio>
#include <cstdlib>

#include "board.h"
#include "facerec_golden.h"
#include "facerec_interpreter.h"
#include "facerec_network.h"
#include "facerec_self_test.h"

namespace {

constexpr int kMostSteps = 1;

// The largest difference of one number, in steps; -1 where there is no fingerprint.
int StepsApart(std::size_t probe) {
  const std::int8_t* found = facerec::Fingerprint(facerec_golden_pixels[probe]);
  if (found == nullptr) return -1;
  int most = 0;
  for (std::size_t i = 0; i < FACEREC_DIMENSION; ++i) {
    const int apart = std::abs(found[i] - facerec_golden_fingerprints[probe][i]);
    if (apart > most) most = apart;
  }
  return most;
}

}  // namespace

int main() {
  BoardInit();
  int failed = facerec_self_test(BoardSay);
  const char* trouble = facerec::Start();
  if (trouble != nullptr) {
    BoardSay(trouble);
    return 1;
  }
  char line[96];
  for (std::size_t probe = 0; probe < FACEREC_GOLDEN_PROBES; ++probe) {
    const int apart = StepsApart(probe);
    if (apart < 0 || apart > kMostSteps) ++failed;
    std::snprintf(line, sizeof line, "face %d: %d step(s) apart", static_cast<int>(probe), apart);
    BoardSay(line);
  }
  std::snprintf(line, sizeof line, "%d check(s) failed, the arena took %lu of %lu bytes", failed,
                static_cast<unsigned long>(facerec::ArenaUsedBytes()), static_cast<unsigned long>(FACEREC_ARENA_BYTES));
  BoardSay(line);
  return failed == 0 ? 0 : 1;
}
