# Compiler flags, one place. Presets (CMakePresets.json) choose the build; KW_SANITIZE chooses sanitizers.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Debug, Release or RelWithDebInfo" FORCE)
endif()

set(KW_SANITIZE "" CACHE STRING "sanitizers to build with: 'address,undefined' or 'thread'")
option(KW_FUZZ "build the libFuzzer targets (needs clang)" OFF)

set(KW_WARNINGS -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wcast-qual -Wmissing-prototypes
                -Wstrict-prototypes -Wvla -Wundef -Wformat=2 -Walloca -Werror)
set(KW_HARDENING -fstack-protector-strong -fno-strict-overflow -fcf-protection)
if(NOT KW_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  list(APPEND KW_HARDENING -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()

add_library(kw_flags INTERFACE)
target_compile_options(kw_flags INTERFACE ${KW_WARNINGS} ${KW_HARDENING}
                       -include ${CMAKE_SOURCE_DIR}/src/base/banned.h)
target_compile_definitions(kw_flags INTERFACE _GNU_SOURCE KW_VERSION="${PROJECT_VERSION}"
                           OPENSSL_API_COMPAT=30000 OPENSSL_NO_DEPRECATED)
target_link_options(kw_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
if(KW_SANITIZE)
  target_compile_options(kw_flags INTERFACE -fsanitize=${KW_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(kw_flags INTERFACE -fsanitize=${KW_SANITIZE})
endif()
if(KW_FUZZ)
  target_compile_options(kw_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
