/* Start-up for QEMU's boards mps2-an385, -an386 and -an500 (Cortex-M3, M4, M7), to run the self-test without a board.
 * QEMU loads every section where it belongs; printf() and the exit status go to the PC by semihosting. */
#include <stdint.h>
#include <stdlib.h>

extern uint32_t stack_top[];
extern void initialise_monitor_handles(void); /* of newlib's librdimon */
extern void __libc_init_array(void);          /* of newlib: C++ constructors */
extern int main(void);

void reset(void);
void _init(void);
void _fini(void);

/* CPACR, Armv7-M Architecture Reference Manual B3.2.20: coprocessors 10 and 11 are the FPU. */
#define CPACR (*(volatile uint32_t *)0xE000ED88u)

void reset(void) {
#if defined(__ARM_FP)
  CPACR |= 0xFu << 20;
  __asm volatile("dsb\n isb" ::: "memory");
#endif
  initialise_monitor_handles();
  __libc_init_array();
  exit(main());
}

/* newlib calls them; its own are in the start-up code that this replaces. */
void _init(void) {}
void _fini(void) {}

/* Whatever goes wrong ends the program, and not well. */
static void fault(void) { _Exit(70); }

typedef struct {
  uint32_t *stack;
  void (*handlers[15])(void);
} vector_table;

extern const vector_table vectors;
__attribute__((section(".vectors"), used)) const vector_table vectors = {
    stack_top,
    {reset, fault, fault, fault, fault, fault, fault, fault, fault, fault,
     fault, fault, fault, fault, fault}};
