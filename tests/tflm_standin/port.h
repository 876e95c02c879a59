// A port to the computer the tests run on: the stand-in's clock, standard output, and what a UART adds to a log.
#ifndef STANDIN_PORT_H_
#define STANDIN_PORT_H_

#include <cstdio>

#include "tensorflow/lite/micro/micro_interpreter.h"

inline void PortPutChar(char c) { std::putchar(c); }

inline void PortInit() {
  std::printf("\x1b[2J\r\nboot: clocks up {216 MHz}\r\n");
}

inline std::uint64_t g_standin_start = 0;

inline void PortStart() { g_standin_start = g_standin_cycles; }
inline std::uint64_t PortStop() { return g_standin_cycles - g_standin_start + 100; }
inline const char* PortTrouble() { return nullptr; }

inline const char* PortCore() { return "Cortex-M7"; }

inline std::uint32_t PortClockHz() { return BENCH_CLOCK_HZ; }

#endif  // STANDIN_PORT_H_
