// Stand-in for the registers of a Cortex-M that cortex_m.cc uses, and for the time that passes on it. Include it before
// everything else (-include). Reading or writing a register takes 10 cycles.
//
// STANDIN_NO_DWT: a core without CYCCNT. STANDIN_MASKED: interrupts are off while a network runs, and a wrap of SysTick
// is served afterwards, once. STANDIN_DEAF: the vector table leads elsewhere. With BENCH_OWN_SYSTICK, a handler of the
// firmware runs every STANDIN_PERIOD cycles and calls CortexMTick(), unless STANDIN_FORGOTTEN.
#ifndef STANDIN_REGISTERS_H_
#define STANDIN_REGISTERS_H_

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <map>

#define BENCH_REGISTERS StandinRegister
#define STANDIN_RUN(cycles) StandinRun(cycles)
#ifndef STANDIN_PERIOD
#define STANDIN_PERIOD 216000u
#endif

extern "C" void CortexMTick(void);
extern "C" void SysTick_Handler(void);

inline std::map<std::uintptr_t, std::uint32_t> g_standin_registers = {{0xE000ED00, 0x411FC270}};  // a Cortex-M7
inline std::uint32_t g_standin_since_tick = 0;

inline void StandinHandlers() {
#ifdef BENCH_OWN_SYSTICK
#ifndef STANDIN_FORGOTTEN
  if (g_standin_since_tick >= STANDIN_PERIOD) CortexMTick();
#endif
  g_standin_since_tick %= STANDIN_PERIOD;
#else
  std::uint32_t& state = g_standin_registers[0xE000ED04];
#ifndef STANDIN_DEAF
  if (state & (1u << 26)) SysTick_Handler();
#endif
  state &= ~(1u << 26);
#endif
}

// CYCCNT up, SysTick down; `cycles` is at most what is left until SysTick's next wrap.
inline void StandinCount(std::uint32_t cycles) {
  auto& registers = g_standin_registers;
#ifndef STANDIN_NO_DWT
  if ((registers[0xE000EDFC] & (1u << 24)) && (registers[0xE0001000] & 1u)) registers[0xE0001004] += cycles;
#endif
  g_standin_since_tick += cycles;
  if (!(registers[0xE000E010] & 1u)) return;
  std::uint32_t& value = registers[0xE000E018];
  value = value == 0 ? registers[0xE000E014] + 1 - cycles : value - cycles;
  if (value != 0) return;
  registers[0xE000E010] |= 1u << 16;
  registers[0xE000ED04] |= 1u << 26;
}

inline std::uint32_t StandinUntilWrap() {
  auto& registers = g_standin_registers;
  if (!(registers[0xE000E010] & 1u)) return STANDIN_PERIOD;
  return registers[0xE000E018] == 0 ? registers[0xE000E014] + 1 : registers[0xE000E018];
}

inline void StandinPass(std::uint64_t cycles, bool interrupts) {
  while (cycles > 0) {
    const std::uint32_t step = static_cast<std::uint32_t>(std::min<std::uint64_t>(cycles, StandinUntilWrap()));
    StandinCount(step);
    cycles -= step;
    if (interrupts) StandinHandlers();
  }
}

inline void StandinRun(std::uint64_t cycles) {
#ifdef STANDIN_MASKED
  StandinPass(cycles, false);
#else
  StandinPass(cycles, true);
#endif
  StandinHandlers();
}

inline volatile std::uint32_t& StandinRegister(std::uintptr_t address) {
  static std::uintptr_t before = 0;
  static std::uint32_t wrapped = 0;
  if (before == 0xE000E010) g_standin_registers[before] &= ~wrapped;  // reading it clears the flag
  // While short wraps are waited for, interrupts come; readings of the count are taken with interrupts masked.
  StandinPass(10, address == 0xE000E010);
  before = address;
  wrapped = g_standin_registers[address] & (1u << 16);
  return g_standin_registers[address];
}

inline void StandinPutChar(char c) { std::putchar(c); }

#endif  // STANDIN_REGISTERS_H_
