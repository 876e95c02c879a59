// What the benchmark needs from the board. The three places marked FILL IN are yours; the rest is ready.
#ifndef FACEREC_BENCH_PORT_H_
#define FACEREC_BENCH_PORT_H_

#include <cstdint>

#include "cortex_m.h"

// FILL IN 1: the clock of the core in Hz while the benchmark runs. Every latency is computed from it. With CMSIS
// device headers it is SystemCoreClock, after SystemCoreClockUpdate().
#ifndef BENCH_CLOCK_HZ
#error "port.h: define BENCH_CLOCK_HZ, such as 216000000"
#endif

// FILL IN 2: bring up clocks, flash wait states, caches and the UART as your product has them.
inline void BoardInit() {}

// FILL IN 3: send one character and return when it is on its way. For an STM32, say:
//   while (!(USART1->ISR & USART_ISR_TXE)) {}
//   USART1->TDR = c;
inline void PortPutChar(char c) {
#ifndef BENCH_PUTCHAR
#error "port.h: fill in PortPutChar, or define BENCH_PUTCHAR as the name of a function void (char)"
#else
  BENCH_PUTCHAR(c);
#endif
}

// After it, interrupts have to be on.
inline void PortInit() {
  BoardInit();
  CortexMInit();
}

// Cycles between the two, 64 bits; 0 where the count cannot be trusted, and PortTrouble() says why.
inline void PortStart() { CortexMStart(); }
inline std::uint64_t PortStop() { return CortexMStop(); }
inline const char* PortTrouble() { return CortexMTrouble(); }

// The core, read from the chip; a name of your own where it says "unknown".
inline const char* PortCore() { return CortexMName(); }

inline std::uint32_t PortClockHz() { return BENCH_CLOCK_HZ; }

#endif  // FACEREC_BENCH_PORT_H_
