# A toolchain file for Cortex-M: -DCMAKE_TOOLCHAIN_FILE=arm-none-eabi.cmake -DFACEREC_CPU=cortex-m4|cortex-m7|cortex-m33|...
# FACEREC_FLOAT=hard needs a core with an FPU, and start-up code that switches it on; everything you link has to agree.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)

set(FACEREC_CPU cortex-m7 CACHE STRING "the core, as GCC's -mcpu names it")
set(FACEREC_FLOAT soft CACHE STRING "GCC's -mfloat-abi: soft, softfp or hard")

set(CMAKE_C_COMPILER arm-none-eabi-gcc)
set(CMAKE_CXX_COMPILER arm-none-eabi-g++)
set(CMAKE_ASM_COMPILER arm-none-eabi-gcc)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)  # without a linker script no program can be linked
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES FACEREC_CPU FACEREC_FLOAT)

set(core "-mcpu=${FACEREC_CPU} -mthumb -mfloat-abi=${FACEREC_FLOAT}")
set(CMAKE_C_FLAGS_INIT "${core}")
set(CMAKE_CXX_FLAGS_INIT "${core} -fno-exceptions -fno-rtti -fno-threadsafe-statics")
set(CMAKE_ASM_FLAGS_INIT "${core}")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-Wl,--gc-sections")

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
