# What we build on; docs/dependencies.md says why each. All from Debian 12.
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(YAJL REQUIRED IMPORTED_TARGET yajl)
pkg_check_modules(INIH REQUIRED IMPORTED_TARGET inih)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

# llhttp: Debian ships Node's parser as C sources (package node-llhttp), to be compiled in.
set(LLHTTP_SOURCES /usr/share/llhttp CACHE PATH "folder of llhttp's C sources")
set(LLHTTP_HEADERS /usr/share/include/llhttp CACHE PATH "folder of llhttp.h")
add_library(kw_llhttp STATIC ${LLHTTP_SOURCES}/api.c ${LLHTTP_SOURCES}/http.c ${LLHTTP_SOURCES}/llhttp.c)
target_include_directories(kw_llhttp SYSTEM PUBLIC ${LLHTTP_HEADERS})
target_compile_options(kw_llhttp PRIVATE -w)
# llhttp's strict mode: CRLF alone ends a line of a chunk, nothing follows Connection: close.
target_compile_definitions(kw_llhttp PUBLIC LLHTTP_STRICT_MODE=1)

# PKCS#11: the header only; modules are loaded when they are configured.
find_path(PKCS11_HEADERS p11-kit/pkcs11.h PATH_SUFFIXES p11-kit-1 REQUIRED)
add_library(kw_cryptoki INTERFACE)
target_include_directories(kw_cryptoki SYSTEM INTERFACE ${PKCS11_HEADERS})
