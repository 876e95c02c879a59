// Leave this file out where the program has a main() of its own, and call PortInit() and RunBench() there.
#include "bench.h"
#include "port.h"

int main() {
  PortInit();
  RunBench();
#ifdef BENCH_RETURN
  return 0;
#else
  for (;;) {
  }
#endif
}
