// The cycle counter and the name of any Cortex-M, without device headers.
//
// DWT->CYCCNT where the core has one, else SysTick (24 bits). Both are widened to 64 bits by an interrupt of SysTick
// every 2^24 cycles, so that an inference of minutes is not mistaken for one of seconds. Where SysTick belongs to
// your firmware (an operating system, STM32's HAL), define BENCH_OWN_SYSTICK and call CortexMTick() from your handler:
// the core must then have CYCCNT.
//
// Registers: Armv7-M Architecture Reference Manual (DDI 0403), sections B3.2, B3.3 and C1.8; CYCCNT of the Cortex-M7
// is locked until its lock access register is written (DDI 0489, Cortex-M7 Technical Reference Manual).
#ifndef FACEREC_BENCH_CORTEX_M_H_
#define FACEREC_BENCH_CORTEX_M_H_

#include <cstdint>

namespace cortex_m {

inline volatile std::uint32_t& Register(std::uintptr_t address) {
  return *reinterpret_cast<volatile std::uint32_t*>(address);
}

constexpr std::uintptr_t kDwtControl = 0xE0001000, kDwtCycles = 0xE0001004, kDwtUnlock = 0xE0001FB0;
constexpr std::uintptr_t kSysTickControl = 0xE000E010, kSysTickReload = 0xE000E014, kSysTickValue = 0xE000E018;
constexpr std::uintptr_t kCpuId = 0xE000ED00, kInterruptState = 0xE000ED04, kDebugControl = 0xE000EDFC;
constexpr std::uint32_t kSysTickPending = 1u << 26;
constexpr std::uint32_t kSysTickSteps = 1u << 24;

struct Counter {
  bool has_dwt;
  std::uint32_t last;   // CYCCNT at the latest reading
  std::uint64_t above;  // what has left the counter's own bits
};

inline Counter& State() {
  static Counter counter = {false, 0, 0};
  return counter;
}

// Masks interrupts while it lives.
class Masked {
 public:
#if defined(__arm__)
  Masked() { __asm volatile("mrs %0, primask\n\tcpsid i" : "=r"(primask_)::"memory"); }
  ~Masked() { __asm volatile("msr primask, %0" ::"r"(primask_) : "memory"); }

 private:
  std::uint32_t primask_;
#else
  Masked() {}
  ~Masked() {}
#endif
};

// Only where the architecture can have CYCCNT at all: reading it elsewhere may fault.
inline bool StartDwt() {
#if defined(__ARM_ARCH_6M__) || defined(__ARM_ARCH_8M_BASE__)
  return false;
#else
  Register(kDebugControl) = Register(kDebugControl) | (1u << 24);
  Register(kDwtUnlock) = 0xC5ACCE55u;
  Register(kDwtCycles) = 0;
  Register(kDwtControl) = Register(kDwtControl) | 1u;
  const std::uint32_t first = Register(kDwtCycles);
  for (int spin = 0; spin < 100; ++spin) {
    if (Register(kDwtCycles) != first) return true;
  }
  return false;
#endif
}

inline std::uint64_t DwtCycles(Counter& state) {
  const std::uint32_t now = Register(kDwtCycles);
  if (now < state.last) state.above += std::uint64_t{1} << 32;
  state.last = now;
  return state.above + now;
}

inline std::uint64_t SysTickCycles(const Counter& state) {
  std::uint32_t value = Register(kSysTickValue);
  std::uint64_t above = state.above;
  if (Register(kInterruptState) & kSysTickPending) {  // wrapped, and the handler has not run yet
    value = Register(kSysTickValue);
    above += kSysTickSteps;
  }
  return above + (kSysTickSteps - 1 - value);
}

}  // namespace cortex_m

inline std::uint64_t CortexMCycles() {
  cortex_m::Masked masked;
  cortex_m::Counter& state = cortex_m::State();
  return state.has_dwt ? cortex_m::DwtCycles(state) : cortex_m::SysTickCycles(state);
}

// To be called at least every 2^32 cycles with CYCCNT, and at every wrap of SysTick without.
inline void CortexMTick() {
  cortex_m::Counter& state = cortex_m::State();
  if (state.has_dwt) {
    CortexMCycles();
  } else {
    state.above += cortex_m::kSysTickSteps;
  }
}

inline void CortexMStartCounter() {
  cortex_m::State().has_dwt = cortex_m::StartDwt();
#ifndef BENCH_OWN_SYSTICK
  cortex_m::Register(cortex_m::kSysTickReload) = cortex_m::kSysTickSteps - 1;
  cortex_m::Register(cortex_m::kSysTickValue) = 0;
  cortex_m::Register(cortex_m::kSysTickControl) = 7;  // core clock, interrupt, on
#endif
}

// Part numbers of CPUID, bits 15 to 4.
inline const char* CortexMName() {
  switch ((cortex_m::Register(cortex_m::kCpuId) >> 4) & 0xFFFu) {
    case 0xC20: return "Cortex-M0";
    case 0xC60: return "Cortex-M0+";
    case 0xC23: return "Cortex-M3";
    case 0xC24: return "Cortex-M4";
    case 0xC27: return "Cortex-M7";
    case 0xD20: return "Cortex-M23";
    case 0xD21: return "Cortex-M33";
    case 0xD31: return "Cortex-M35P";
    case 0xD22: return "Cortex-M55";
    case 0xD23: return "Cortex-M85";
    case 0xD24: return "Cortex-M52";
    default: return "unknown";
  }
}

#endif  // FACEREC_BENCH_CORTEX_M_H_
