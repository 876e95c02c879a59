// Counting cycles on any Cortex-M, and the name of its core, without device headers.
//
// The count is SysTick's: 24 bits of the core's own clock, and an interrupt at every wrap that counts the wraps. Where
// the core has DWT->CYCCNT, its 32 bits have to agree with that count; where they do not, the handler missed a wrap,
// and CortexMStop() gives no count instead of a wrong one. A core without CYCCNT (Cortex-M0, M0+, M23) cannot tell: leave
// interrupts on there.
//
// cortex_m.cc defines SysTick_Handler, the name CMSIS start-up code gives to exception 15. Where SysTick belongs to your
// firmware (an operating system, STM32's HAL), define BENCH_OWN_SYSTICK for every file of this folder: there is no
// handler here then, SysTick is left as it is, and CYCCNT is what counts, so the core must have it. CYCCNT wraps after
// 2^32 cycles, 10 s at 400 MHz, so call CortexMTick() from a handler that runs at least that often and at least once
// an inference: the HAL's SysTick_Handler, FreeRTOS' tick hook, a timer of 1 ms. It may be called from C:
//   extern void CortexMTick(void);
//
// Registers: Armv7-M Architecture Reference Manual (DDI 0403), sections B3.2, B3.3 and C1.8; CYCCNT of the Cortex-M7
// is locked until its lock access register is written (DDI 0489, Cortex-M7 Technical Reference Manual).
#ifndef FACEREC_BENCH_CORTEX_M_H_
#define FACEREC_BENCH_CORTEX_M_H_

#include <cstdint>

// Starts the counters and makes sure that they count; call it once, with interrupts on.
void CortexMInit();

// Begins to count.
void CortexMStart();

// Cycles since CortexMStart(), 64 bits; 0 where the count cannot be trusted, and CortexMTrouble() says why.
std::uint64_t CortexMStop();

// Why there is no count, in a few words; nullptr while all is well.
const char* CortexMTrouble();

// What the interrupt calls.
extern "C" void CortexMTick(void);

// From CPUID, such as "Cortex-M7".
const char* CortexMName();

#endif  // FACEREC_BENCH_CORTEX_M_H_
