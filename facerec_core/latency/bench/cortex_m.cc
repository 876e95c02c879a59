#include "cortex_m.h"

namespace {

#ifdef BENCH_REGISTERS  // a function that stands for the registers, where a test plays the core
volatile std::uint32_t& Register(std::uintptr_t address) { return BENCH_REGISTERS(address); }
#else
volatile std::uint32_t& Register(std::uintptr_t address) {
  return *reinterpret_cast<volatile std::uint32_t*>(address);
}
#endif

constexpr std::uintptr_t kDwtControl = 0xE0001000, kDwtCycles = 0xE0001004, kDwtUnlock = 0xE0001FB0;
constexpr std::uintptr_t kDebugControl = 0xE000EDFC, kCpuId = 0xE000ED00;

struct Reading {
  std::uint64_t cycles;
  std::uint32_t dwt;    // CYCCNT as it is, 0 where there is none
  std::uint32_t ticks;  // calls of CortexMTick() so far
};

bool g_has_dwt = false;
volatile std::uint32_t g_ticks = 0;
Reading g_start = {0, 0, 0};
const char* g_no_count = "CortexMInit() was not called";
const char* g_trouble = nullptr;

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
bool StartDwt() {
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

#ifdef BENCH_OWN_SYSTICK

std::uint32_t g_latest = 0;  // CYCCNT when it was read last
std::uint64_t g_above = 0;   // what has left its 32 bits

const char* StartCount() { return g_has_dwt ? nullptr : "no CYCCNT on this core: leave SysTick to the benchmark"; }

// With interrupts masked, or in the interrupt.
std::uint64_t Cycles() {
  const std::uint32_t now = g_has_dwt ? Register(kDwtCycles) : 0;
  if (now < g_latest) g_above += std::uint64_t{1} << 32;
  g_latest = now;
  return g_above + now;
}

const char* Doubt(const Reading& begin, const Reading& end) {
  return begin.ticks == end.ticks ? "CortexMTick() was not called during an inference" : nullptr;
}

#else

constexpr std::uintptr_t kSysTickControl = 0xE000E010, kSysTickReload = 0xE000E014, kSysTickValue = 0xE000E018;
constexpr std::uintptr_t kInterruptState = 0xE000ED04;
constexpr std::uint32_t kOn = 7;  // the core's clock, with the interrupt
constexpr std::uint32_t kWrapped = 1u << 16, kPending = 1u << 26;
constexpr std::uint32_t kSteps = 1u << 24, kFewSteps = 1u << 12;
constexpr std::uint32_t kPatience = 1u << 20;
// How far the counters may be apart, which are read one after the other; a wrap that was missed is 2^24.
constexpr std::uint32_t kSlack = 1u << 16;

void RunSysTick(std::uint32_t steps) {
  Register(kSysTickControl) = 0;
  Register(kSysTickReload) = steps - 1;
  Register(kSysTickValue) = 0;
  Register(kSysTickControl) = kOn;
}

bool Wraps() {
  for (std::uint32_t spin = 0; spin < kPatience; ++spin) {
    if (Register(kSysTickControl) & kWrapped) return true;
  }
  return false;
}

// With short wraps first, to see that they are counted.
const char* StartCount() {
  RunSysTick(kFewSteps);
  if (!Wraps() || !Wraps()) return "SysTick does not run";
  if (g_ticks == 0) return "SysTick_Handler of cortex_m.cc is not called";
  RunSysTick(kSteps);
  return nullptr;
}

// With interrupts masked. The wrap and its interrupt come as the count reaches 0, the reload one cycle later.
std::uint64_t Cycles() {
  std::uint32_t value = Register(kSysTickValue);
  std::uint64_t wraps = g_ticks;
  if (Register(kInterruptState) & kPending) {  // the handler has not run yet
    value = Register(kSysTickValue);
    ++wraps;
  }
  return wraps * kSteps + (value == 0 ? 0 : kSteps - value);
}

const char* Doubt(const Reading& begin, const Reading& end) {
  const std::uint32_t apart = static_cast<std::uint32_t>(end.cycles - begin.cycles) - (end.dwt - begin.dwt);
  const bool agree = !g_has_dwt || apart + kSlack <= 2 * kSlack;  // modulo 2^32
  return agree ? nullptr : "SysTick and CYCCNT disagree: were interrupts off?";
}

#endif  // BENCH_OWN_SYSTICK

Reading Now() {
  Masked masked;
  return {Cycles(), g_has_dwt ? Register(kDwtCycles) : 0, g_ticks};
}

}  // namespace

extern "C" void CortexMTick(void) {
#ifdef BENCH_OWN_SYSTICK
  Cycles();
#endif
  g_ticks = g_ticks + 1;
}

#ifndef BENCH_OWN_SYSTICK
extern "C" void SysTick_Handler(void);
extern "C" void SysTick_Handler(void) { CortexMTick(); }
#endif

void CortexMInit() {
  g_has_dwt = StartDwt();
  g_trouble = g_no_count = StartCount();
}

void CortexMStart() {
  g_trouble = g_no_count;
  g_start = Now();
}

std::uint64_t CortexMStop() {
  const Reading end = Now();
  if (g_trouble == nullptr) g_trouble = Doubt(g_start, end);
  return g_trouble == nullptr ? end.cycles - g_start.cycles : 0;
}

const char* CortexMTrouble() { return g_trouble; }

// Part numbers of CPUID, bits 15 to 4.
const char* CortexMName() {
  switch ((Register(kCpuId) >> 4) & 0xFFFu) {
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
