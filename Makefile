# The whole build; `make help` lists the targets.
CC       = gcc
CFLAGS  ?= -O3 -g
PREFIX  ?= /usr/local
B       ?= build
FUZZ_SECONDS ?= 20
MAKEFLAGS += --no-print-directory

PACKAGES := gcc libc6-dev make pkg-config libopenblas-dev liblmdb-dev libjpeg-dev libpng-dev zlib1g-dev \
	dataset-fashion-mnist fonts-noto-color-emoji gnuplot-nox mandoc
CLANG_PACKAGES := clang libclang-rt-14-dev libomp-dev
# pkg-config names, each with the Debian package that has it
MODULES  := openblas:libopenblas-dev lmdb:liblmdb-dev libpng:libpng-dev libjpeg:libjpeg-dev zlib:zlib1g-dev
PC       := $(shell pkg-config --cflags --libs $(foreach m,$(MODULES),$(firstword $(subst :, ,$m))) 2>/dev/null)

STD      := -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -fopenmp -fno-math-errno -fno-trapping-math \
	-ffp-contract=off -I. $(filter -I%,$(PC))
LIBS     := $(filter -l% -L%,$(PC)) -lm
COMPILE   = $(CC) $(STD) $(CFLAGS) $(SIMD) -MMD -MP

SRC      := $(wildcard lib/*/*.c formats/*.c kernels/*.c kernels/ref/*.c kernels/cpu/*.c)
# What the compiler builds for.
MACHINE  := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null)))
ifneq ($(MACHINE),x86_64)
SRC      := $(filter-out %_avx512.c %_avx512vnni.c %_avx2.c,$(SRC))
endif
ifeq ($(MACHINE),aarch64)
# gcc 12 ends with an internal error where it makes vectors of the largest of widened floats.
STD      += -fno-builtin-fmax -fno-builtin-fmin
else
SRC      := $(filter-out %_dotprod.c,$(SRC))
endif
# What a tape needs, with real = double, for tests/check-*-f64.c.
SRC64    := $(filter-out lib/stat/% lib/nets/% lib/gan/watch.c kernels/cpu/%,$(SRC)) \
	$(filter lib/nets/model.c lib/nets/biggan.c lib/nets/stylegan2.c lib/nets/layer.c kernels/cpu/blas.c,$(SRC))
OBJ      := $(SRC:%.c=$B/obj/%.o)
# The CUDA backend is a library that programs load when asked to: by nvcc where there is one, and for
# the tests by gcc over an emulated device.
NVCC     := $(shell command -v nvcc)
CU       := $(wildcard kernels/cuda/*.cu)
# Those that this nvcc knows: CUDA 11 has no 90a, and one before it neither.
KNOWN    := $(if $(NVCC),$(shell for g in 80 90a; do \
	$(NVCC) --dryrun -arch=sm_$$g -c $(firstword $(CU)) >/dev/null 2>&1 && echo $$g; done))
GPUS     ?= $(KNOWN)
CUDA     := $(and $(NVCC),$(GPUS))
# Machine code for each of them; for others the driver makes it from the first one's PTX.
GENCODE   = $(foreach g,$(GPUS),-gencode arch=compute_$g,code=sm_$g) \
	-gencode arch=compute_$(firstword $(GPUS)),code=compute_$(firstword $(GPUS))
HOST     := cublas-host cuda-group cuda-host cuda-runtime
OBJ64    := $(SRC64:%.c=$B/f64/obj/%.o)
TOOLS    := $(patsubst tools/%.c,%,$(wildcard tools/ic-*.c))
CHECKS   := $(patsubst tests/%.c,%,$(wildcard tests/check-*.c))
FUZZ     := $(patsubst tests/fuzz/fuzz-%.c,%,$(wildcard tests/fuzz/fuzz-*.c))
BENCH    := $(patsubst tests/bench/%.c,$B/bench/%,$(wildcard tests/bench/*.c))
TESTS     = $(CHECKS:%=$B/tests/%) $(wildcard tests/*.t tests/tools/*.t) \
	$(foreach f,$(FUZZ),tests/fuzz/corpus/$f=$B/tests/replay-$f)

.PHONY: all help tests check check-now demo bench asan fuzz install uninstall deps deps-clang fuzz-now clean
.DELETE_ON_ERROR:
.SECONDARY:
all: $(TOOLS:%=$B/bin/%) $(if $(CUDA),$B/lib/libic-cuda.so)

help:                   # this list
	@sed -n 's/^\([a-z][a-z]*\):[^#]*# /\1	/p' Makefile

$B/found:
	@mkdir -p $(@D)
	@for m in $(MODULES); do pkg-config --exists $${m%:*} || { \
		echo "$${m%:*} is missing: install the Debian package $${m#*:}, or run \`make deps'" >&2; exit 1; }; done
	@[ -n "$(CUDA)" ] || echo "no nvcc of CUDA 11.4 or later: the programs are built without CUDA"
	@touch $@

# Products are fused with sums in these loops alone: all else rounds alike on every machine.
FUSED    := -ffp-contract=fast
$B/obj/%_avx512.o $B/f64/obj/%_avx512.o: SIMD = -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c $(FUSED)
$B/obj/%_avx512vnni.o: SIMD = -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mfma
$B/obj/%_avx2.o $B/f64/obj/%_avx2.o: SIMD = -mavx2 -mfma -mf16c $(FUSED)
$B/obj/kernels/cpu/rows_base.o: SIMD = $(FUSED)
ifeq ($(MACHINE),aarch64)
# gcc fetches operands so early that registers run out; clang, which does not, would say so.
EARLY    := -fno-schedule-insns -Wno-ignored-optimization-argument
$B/obj/kernels/cpu/tile_base.o: SIMD = $(FUSED) $(EARLY)
$B/obj/%_dotprod.o: SIMD = -march=armv8.2-a+dotprod $(EARLY)
endif
$B/obj/%.o: %.c | $B/found
	@mkdir -p $(@D)
	$(COMPILE) -c -o $@ $<
$B/f64/obj/%.o: %.c | $B/found
	@mkdir -p $(@D)
	$(COMPILE) -DIC_DOUBLE -c -o $@ $<

$B/cuda/%.o: kernels/cuda/%.cu $(wildcard kernels/*.h kernels/cuda/*.h) kernels/ops.def
	@mkdir -p $(@D)
	$(NVCC) -O3 -I. $(GENCODE) -Xcompiler -fPIC,-Wall -c -o $@ $<
$B/lib/libic-cuda.so: $(CU:kernels/cuda/%.cu=$B/cuda/%.o) $B/host/kernels/ops.o
	@mkdir -p $(@D)
	$(NVCC) -shared -o $@ $^
# Variables begin as a pattern: no kernel works by luck, nor do old addresses lie among its arguments.
# With it gcc 12 zeroes bytes behind the padding of a struct that begins another one with an initialiser.
PATTERN   = -ftrivial-auto-var-init=pattern
$B/host/%.o: %.cu | $B/found
	@mkdir -p $(@D)
	$(COMPILE) $(PATTERN) -x c -fPIC -c -o $@ $<
$B/host/%.o: %.c | $B/found
	@mkdir -p $(@D)
	$(COMPILE) $(PATTERN) -fPIC -c -o $@ $<
$B/tests/libic-cuda-host.so: $(CU:%.cu=$B/host/%.o) $(HOST:%=$B/host/tests/%.o) $B/host/kernels/ops.o
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -shared -o $@ $^ -lm

$B/tests/check-emulated $B/tests/check-group: $B/tests/%: $B/obj/tests/%.o $(HOST:%=$B/host/tests/%.o)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $^ -lm

# The same device, its kernels watched by ThreadSanitizer.
RACES     = $(CC) $(STD) -O1 -g -fPIC -DIC_RACES -MMD -MP -c -o $@
$B/race/kernels/cuda/%.o: kernels/cuda/%.cu | $B/found
	@mkdir -p $(@D)
	$(RACES) -fsanitize=thread $(PATTERN) -x c $<
$B/race/tests/check-emulated.o: tests/check-emulated.c | $B/found
	@mkdir -p $(@D)
	$(RACES) -fsanitize=thread $<
$B/race/%.o: %.c | $B/found
	@mkdir -p $(@D)
	$(RACES) $(PATTERN) $<
$B/tests/libic-cuda-race.so: $(CU:%.cu=$B/race/%.o) $(HOST:%=$B/race/tests/%.o) $B/race/kernels/ops.o
	@mkdir -p $(@D)
	$(CC) -fsanitize=thread -shared -o $@ $^ -lm
$B/tests/check-emulated-race: $B/race/tests/check-emulated.o $(HOST:%=$B/race/tests/%.o)
	@mkdir -p $(@D)
	$(CC) -fsanitize=thread -o $@ $^ -lm

$B/tests/check-bf16 $B/tests/check-chain $B/tests/check-device $B/tests/check-recompute $B/tests/check-sentinel \
	$B/tests/check-stylegan2 $B/tests/check-sweep: | $B/tests/libic-cuda-host.so
$B/tests/no-memory.so: tests/no-memory.c
	@mkdir -p $(@D)
	$(CC) $(STD) -O2 -fPIC -shared -o $@ $<
$B/libic.a: $(OBJ)
$B/f64/libic-tape.a: $(OBJ64)
%.a:
	@rm -f $@
	ar rcs $@ $^

$B/bin/%: $B/obj/tools/%.o $B/libic.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -fopenmp -o $@ $^ $(LIBS)
$B/tests/%-f64: $B/f64/obj/tests/%-f64.o $B/f64/libic-tape.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -fopenmp -o $@ $^ $(LIBS)
$B/tests/replay-%: $B/obj/tests/fuzz/fuzz-%.o $B/obj/tests/fuzz/replay.o $B/libic.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -fopenmp -o $@ $^ $(LIBS)
$B/tests/%: $B/obj/tests/%.o $B/libic.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -fopenmp -o $@ $^ $(LIBS)
$B/bench/%: $B/obj/tests/bench/%.o $B/libic.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -fopenmp -o $@ $^ $(LIBS)
$B/fuzz/%: $B/obj/tests/fuzz/fuzz-%.o $B/libic.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -fsanitize=fuzzer -fopenmp -o $@ $^ $(LIBS)

deps:                   # install what is missing (apt-get; offline when nothing is)
	@missing=; for p in $(PACKAGES); do \
		dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	[ -z "$$missing" ] || { echo "installing$$missing"; [ "$$(id -u)" -eq 0 ] || sudo=sudo; \
		$$sudo apt-get update -q && $$sudo apt-get install -y -q --no-install-recommends $$missing; }
deps-clang:
	@$(MAKE) deps PACKAGES='$(PACKAGES) $(CLANG_PACKAGES)'

# The second make sees the pkg-config results of what deps has just installed.
check: deps             # all tests; the last line is "N passed, N failed"
	@$(MAKE) check-now
tests: all $(filter $B/%,$(TESTS)) $(FUZZ:%=$B/tests/replay-%) $B/tests/libic-cuda-host.so \
	$B/tests/libic-cuda-race.so $B/tests/check-emulated-race $B/tests/each-kernel $B/tests/no-memory.so
check-now: tests
	@BIN=$B/bin tests/run.sh $(TESTS)
asan: deps              # the same tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 TEST_SECONDS=3600 \
	$(MAKE) B=build/asan CFLAGS='-O2 -g -fno-omit-frame-pointer -fsanitize=address,undefined' check-now
fuzz: deps-clang        # each reader for FUZZ_SECONDS under libFuzzer
	@$(MAKE) B=build/fuzz CC=clang CFLAGS='-O1 -g -fsanitize=fuzzer-no-link,address,undefined' fuzz-now
fuzz-now: $(FUZZ:%=$B/fuzz/%)
	@set -e; for f in $(FUZZ); do echo "fuzz $$f"; mkdir -p $B/corpus/$$f; \
		$B/fuzz/$$f -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=1024 -timeout=10 -artifact_prefix=$B/ \
		-print_final_stats=1 $B/corpus/$$f tests/fuzz/corpus/$$f 2>$B/$$f.log || \
		{ tail -n 60 $B/$$f.log; exit 1; }; grep executed_units $B/$$f.log; done
bench: all $(BENCH)     # timings, as ratios where there is something to compare with
	@set -e; for b in $(BENCH) $(filter-out tests/bench/gpu.sh,$(wildcard tests/bench/*.sh)); do \
		echo "== $$b"; BIN=$B/bin $$b; done

demo: deps              # pictures to samples: DATA=fashion|emoji|FOLDER IMAGES=N MINUTES=M OUT=FOLDER
	@$(MAKE) all
	@PATH="$(abspath $B/bin):$$PATH" $(MAKE) -f pipelines/demo.mk

SHARE    := $(DESTDIR)$(PREFIX)/share
install: all            # into PREFIX (and DESTDIR)
	install -D -t $(DESTDIR)$(PREFIX)/bin $(TOOLS:%=$B/bin/%)
	[ ! -e $B/lib/libic-cuda.so ] || install -D -t $(DESTDIR)$(PREFIX)/lib $B/lib/libic-cuda.so
	for n in 1 5 7; do for m in man/*.$$n; do install -D -m 644 -t $(SHARE)/man/man$$n $$m; done; done
	for d in presets weights; do for f in pipelines/$$d/*; do \
		[ ! -e $$f ] || install -D -m 644 -t $(SHARE)/ic/$$d $$f; done; done
	mkdir -p $(SHARE)/bash-completion/completions
	for t in $(TOOLS); do $B/bin/$$t --completion >$(SHARE)/bash-completion/completions/$$t; done
uninstall:              # what install put there
	rm -f $(TOOLS:%=$(DESTDIR)$(PREFIX)/bin/%) $(TOOLS:%=$(SHARE)/bash-completion/completions/%)
	for m in man/*.[157]; do rm -f $(SHARE)/man/man$${m##*.}/$${m##*/}; done
	rm -rf $(SHARE)/ic $(DESTDIR)$(PREFIX)/lib/libic-cuda.so
clean:                  # build/
	rm -rf $B

-include $(shell find $B/obj $B/f64 $B/host $B/race -name '*.d' 2>/dev/null)
