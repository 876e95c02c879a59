/* The self-test as a program of a PC: status 0 and one line when all is well. */
#include <stdio.h>

#include "facerec_golden.h"
#include "facerec_self_test.h"

static void say(const char *line) { printf("FAILED: %s\n", line); }

int main(void) {
  const int failed = facerec_self_test(say);
  printf("%d of %d matches compared, %d check(s) failed\n",
         (int)FACEREC_GOLDEN_MATCHES, (int)FACEREC_GOLDEN_MATCHES, failed);
  return failed == 0 ? 0 : 1;
}
