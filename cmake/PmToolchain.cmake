# Language level, warnings, sanitizers, compiler cache.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# -O2 with line tables; NDEBUG is not set anywhere: a broken invariant aborts in every build.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")

# PM_SANITIZE: "", "address" (with undefined behaviour) or "thread".
set(PM_SANITIZE "" CACHE STRING "address, thread or empty")
# PM_FUZZ: build the libFuzzer targets (clang only).
option(PM_FUZZ "build the fuzz targets" OFF)
# PM_GUARDS_REMOVABLE: tests may do without one of the guards of common/core/guard.h.
option(PM_GUARDS_REMOVABLE "for tests/guards.sh only" OFF)
if(PM_GUARDS_REMOVABLE)
  add_compile_definitions(PM_GUARDS_REMOVABLE)
endif()

find_program(PM_CCACHE ccache)
if(PM_CCACHE)
  # Paths relative to the tree, so that clones share their objects.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=time_macros,include_file_ctime,include_file_mtime ${PM_CCACHE})
endif()

add_compile_options(-Wall -Wextra -Wno-unused-parameter -fno-omit-frame-pointer)
# Decisions must be the same on every machine: no fused multiply-add by the compiler's own choice.
add_compile_options(-ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  add_compile_options(-Wthread-safety)
endif()
if(PM_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address)
  add_link_options(-fsanitize=address,undefined)
elseif(PM_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread)
  add_link_options(-fsanitize=thread)
endif()

# Undefined-behaviour checks go on our own code only; generated code is left out.
function(pm_sanitize_own target)
  if(PM_SANITIZE STREQUAL "address")
    target_compile_options(${target} PRIVATE -fsanitize=undefined -fno-sanitize-recover=undefined
                                             -fno-sanitize=vptr)
  endif()
endfunction()
