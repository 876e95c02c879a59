// Times the networks in models/ and writes a line of JSON for each to the port's UART.
#ifndef FACEREC_BENCH_H_
#define FACEREC_BENCH_H_

#include <cstddef>
#include <cstdint>

// One network: what it is, where its bytes lie and how much arena it may take.
struct BenchModel {
  const char* name;
  const char* width;  // as text, so that no floating-point printing is needed
  int resolution;
  int embedding;
  int channels;
  const unsigned char* data;
  std::size_t bytes;
  std::size_t arena_bytes;
};

// The networks of this program: all of them, or the one with the index BENCH_ONLY.
extern const BenchModel kBenchModels[];
extern const std::size_t kBenchModelCount;
extern unsigned char g_bench_arena[];

// Timed inferences a network, and those before them that are not timed.
extern const int kBenchRuns;
constexpr int kBenchWarmUpRuns = 2;
constexpr int kBenchMostRuns = 1000;

// Runs everything once; call it after PortInit().
void RunBench();

#endif  // FACEREC_BENCH_H_
