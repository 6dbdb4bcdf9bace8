# akin: reverse image search for image collections too large to label.
#
#   make            build the program and the library       build/release/akin
#   make demo       install what is missing, build, and find snow in five months of NASA imagery
#   make test       the same set-up, then every test; ends with "N passed, N failed"
#   make fuzz       every fuzz target for FUZZ_SECONDS=60 each (clang-14 and libFuzzer)
#   make lint       layers, headers alone, banned calls, format, cppcheck, clang-tidy
#   make bench      the figures of docs/BENCHMARKS.md
#   make bench-train    learning and encoding beside PyTorch and ONNX Runtime: its section there
#   make bench-quality  what a training is worth: its section there (half an hour of CPU)
#   make bench-index [SETS=a,b,c,d] [JSON=FILE]  the index beside hnswlib, FAISS and usearch: its section and pictures
#   make bench-index-scale [SETS=100k,1M,5M]  how the index grows: its section
#   make bench-serve  akin serve beside the library on the same cores, JSON=FILE for its rows (ten minutes)
#   make report     the longest files and functions (fails nothing)
#   make web        the page of akin serve into build/web (npm)
#   make install    PREFIX=/usr/local, DESTDIR=
#   make setup      only install the packages of tools/packages.txt
#   make clean
#
#   MODE=release|asan|tsan|fuzz   CC=gcc-12|clang-14   WERROR=1   V=1
#   MPI=1           training over several machines too (Open MPI), in build/mpi: mpirun build/mpi/release/akin train

# The order of the stages, written once: a stage may include only those to its left (tools/check-layers
# reads this line).
STAGES := core vec array catalog source tile model index ingest search learn discover serve

MODE   ?= release
ifeq ($(origin CC),default)
CC     := $(if $(filter fuzz,$(MODE)),clang-14,gcc)
endif
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
JOBS   ?= $(shell nproc)
BUILD  ?= build
override MPI := $(filter 1,$(MPI))
# A folder of its own, so that a build without MPI never links what was compiled with it.
ROOT   := $(BUILD)$(if $(MPI),/mpi)
OUT    := $(ROOT)/$(MODE)
VERSION := $(shell cat VERSION)
PKGS   := gdal sqlite3 jansson libturbojpeg libpng libzstd libmicrohttpd

WARN   := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
          -Wvla -Wwrite-strings -Wundef -Wno-missing-field-initializers $(if $(WERROR),-Werror)
OPT_release := -O2 -g -fno-math-errno -fno-trapping-math -ffp-contract=fast
OPT_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
OPT_tsan := -O1 -g -fsanitize=thread
OPT_fuzz := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
LINK_asan := -fsanitize=address,undefined
LINK_tsan := -fsanitize=thread
LINK_fuzz := -fsanitize=fuzzer-no-link,address,undefined

# Hidden but for what the public headers declare: our names must not stand in for those of the libraries
# that we link (libtiff once called a jpeg_read_header of ours).
CFLAGS_ALL := -std=c11 -D_GNU_SOURCE -Iinclude $(WARN) $(OPT_$(MODE)) -fPIC -fvisibility=hidden -fno-semantic-interposition \
              -ffile-prefix-map=$(CURDIR)=. -pthread $(CFLAGS)
# Kernels lock nothing, and TSan takes their 32-byte loads apart byte by byte: 50 times slower.
KERNEL_tsan := -O2 -fno-sanitize=thread
$(OUT)/src/vec/%.o: CFLAGS_ALL += $(KERNEL_$(MODE))
$(OUT)/cli/main.o: CFLAGS_ALL += -DAKIN_VERSION='"$(VERSION)"'
LDFLAGS_ALL := $(LINK_$(MODE)) -pthread $(LDFLAGS)
# GDAL is loaded when an image first needs it (src/source/gdal_api.h), by the name that its library has here; only tests and
# benches that call it themselves are linked with it.
GDAL_SONAME := $(shell objdump -p $$(gcc -print-file-name=libgdal.so) 2>/dev/null | sed -n 's/ *SONAME *//p')
CFLAGS_ALL += -DGDAL_SONAME='"$(GDAL_SONAME)"'
# oneDNN has no .pc file in Debian.
LIBS = $(shell pkg-config --libs $(filter-out gdal,$(PKGS))) -ldnnl -lgomp -lm
TEST_LIBS = -Wl,--as-needed $(LIBS) $(shell pkg-config --libs gdal)
ifdef MPI
$(OUT)/src/model/comm_mpi.o: CFLAGS_ALL += -DAKIN_MPI $(patsubst -I%,-isystem %,$(shell pkg-config --cflags-only-I ompi-c))
LIBS += $(shell pkg-config --libs ompi-c)
endif
# -isystem: what is in those headers is not ours to warn about.
INCS = $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(PKGS)))

# One file per instruction set, with its own flags; which one runs is decided at start.
ISA_avx2   := -mavx2 -mfma -mf16c
ISA_avx512 := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx2 -mfma -mf16c
ISA_amx    := $(ISA_avx512) -mavx512bf16 -mamx-tile -mamx-bf16 -mamx-int8
ifeq ($(filter x86_64%,$(shell $(CC) -dumpmachine)),)
ISA_avx2 :=
ISA_avx512 :=
ISA_amx :=
endif
isa = $(foreach t,avx2 avx512 amx,$(if $(findstring _$(t).c,$(1)),$(ISA_$(t))))

SRC  := $(foreach s,$(STAGES),$(sort $(wildcard src/$(s)/*.c)))
OBJ  := $(SRC:%.c=$(OUT)/%.o)
CLI  := $(sort $(wildcard cli/*.c))
stage_lib = $(OUT)/stage/$(1).a
LIBRARY := $(OUT)/libakin.a

.PHONY: all setup demo test web lint bench bench-train bench-quality bench-index bench-index-scale bench-serve bench-peers report install clean help flags lib tests test-tools fuzz fuzz-targets benches
all: $(OUT)/akin

# Prints the head of this file.
help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CC   $<";)$(CC) $(CFLAGS_ALL) $(INCS) $(call isa,$<) -MMD -MP -c $< -o $@

# The API's contract is a part of the program.
$(OUT)/src/serve/openapi.o: src/serve/openapi.json

# An archive a stage: a test links only the stages up to its own, so that the linker, too, sees a
# call that goes the wrong way.
define stage_rule
$(call stage_lib,$(1)): $$(patsubst %.c,$$(OUT)/%.o,$$(sort $$(wildcard src/$(1)/*.c)))
	@mkdir -p $$(@D); rm -f $$@
	@ar rcsD $$@ $$^
endef
$(foreach s,$(STAGES),$(eval $(call stage_rule,$(s))))

$(LIBRARY): $(OBJ)
	@rm -f $@; ar rcsD $@ $^

$(OUT)/akin: $(CLI:%.c=$(OUT)/%.o) $(LIBRARY)
	$(if $(V),,@echo "  LINK $@";)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

# The shared library exports what the headers declare, akin_*, and nothing else.
SONAME := libakin.so.$(firstword $(subst ., ,$(VERSION)))
SHARED := $(OUT)/libakin.so.$(VERSION)
$(SHARED): $(OBJ) tools/libakin.map
	$(if $(V),,@echo "  LINK $@";)$(CC) $(LDFLAGS_ALL) -shared -Wl,-soname,$(SONAME) -Wl,-Bsymbolic-functions \
	    -Wl,--version-script=tools/libakin.map -o $@ $(OBJ) $(LIBS)
lib: $(LIBRARY) $(SHARED)

# Tests: tests/STAGE/test_*.c, each a program linked with the stages up to STAGE.
upto = $(if $(filter $(1),$(STAGES)),$(shell echo $(STAGES) | sed 's/\b$(1)\b.*/$(1)/'),$(STAGES))
reverse = $(if $(1),$(call reverse,$(wordlist 2,$(words $(1)),$(1))) $(firstword $(1)))
TEST_STAGES := $(notdir $(patsubst %/,%,$(sort $(dir $(wildcard tests/*/test_*.c)))))
TEST_BIN := $(patsubst %.c,$(OUT)/%,$(sort $(wildcard tests/*/test_*.c)))
define test_rule
$(OUT)/tests/$(1)/test_%: $(OUT)/tests/$(1)/test_%.o $(OUT)/tests/check.o $(foreach s,$(call reverse,$(call upto,$(1))),$(call stage_lib,$(s)))
	$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ $$(TEST_LIBS)
endef
$(foreach s,$(TEST_STAGES),$(eval $(call test_rule,$(s))))
.SECONDARY: $(TEST_BIN:=.o) $(OUT)/tests/check.o
tests: $(TEST_BIN)

# Small programs that the scripts of tests/cli call.
TOOL_BIN := $(patsubst %.c,$(OUT)/%,$(sort $(wildcard tests/tools/*.c)))
$(OUT)/tests/tools/%: $(OUT)/tests/tools/%.o $(LIBRARY)
	$(if $(V),,@echo "  LINK $@";)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)
test-tools: $(TOOL_BIN)

# Fuzz targets, tests/fuzz/fuzz_X.c with a corpus in tests/fuzz/corpus/X: libFuzzer with MODE=fuzz, a driver that
# replays the corpus in every other mode.
FUZZ_SECONDS ?= 60
FUZZ_BIN := $(patsubst %.c,$(OUT)/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_MAIN := $(if $(filter fuzz,$(MODE)),,$(OUT)/tests/fuzz/replay.o)
$(OUT)/tests/fuzz/fuzz_%: $(OUT)/tests/fuzz/fuzz_%.o $(FUZZ_MAIN) $(LIBRARY)
	$(if $(V),,@echo "  LINK $@";)$(CC) $(LDFLAGS_ALL) $(if $(FUZZ_MAIN),,-fsanitize=fuzzer) -o $@ $^ $(LIBS)
fuzz-targets: $(FUZZ_BIN)
.SECONDARY: $(TOOL_BIN:=.o) $(FUZZ_BIN:=.o) $(OUT)/tests/fuzz/replay.o
fuzz:
	@$(MAKE) --no-print-directory MODE=fuzz CC=clang-14 fuzz-targets
	@tests/fuzz/run $(ROOT)/fuzz/tests/fuzz $(FUZZ_SECONDS)

# Programs that print the figures of docs/BENCHMARKS.md.
BENCH_BIN := $(patsubst %.c,$(OUT)/%,$(sort $(wildcard bench/bench_*.c)))
$(OUT)/bench/bench_%: $(OUT)/bench/bench_%.o $(LIBRARY)
	$(if $(V),,@echo "  LINK $@";)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(TEST_LIBS)
.SECONDARY: $(BENCH_BIN:=.o)
benches: $(BENCH_BIN)
bench:
	@tools/setup build $(if $(MPI),mpi)
	@$(MAKE) --no-print-directory -j$(JOBS) all benches
	@bench/run $(OUT)/bench $(OUT)/akin

bench-train:
	@tools/setup build test
	@$(MAKE) --no-print-directory -j$(JOBS) all benches
	@ROUNDS='$(ROUNDS)' SECONDS_EACH='$(SECONDS_EACH)' WORK='$(WORK)' JSON='$(JSON)' bench/train $(OUT)/bench

bench-quality:
	@tools/setup build
	@$(MAKE) --no-print-directory -j$(JOBS) all benches
	@bench/quality $(OUT)/bench $(OUT)/akin

# The index's peers, in the language they come in; one whose headers are not there is left out by name.
PEERS := $(if $(wildcard /usr/include/hnswlib/hnswlib.h),$(OUT)/bench/peer_hnswlib) \
         $(if $(wildcard /usr/include/faiss/Index.h),$(OUT)/bench/peer_faiss)
$(OUT)/bench/peer_faiss: PEER_LIBS := -lfaiss -lopenblas
$(OUT)/bench/peer_%: bench/peer_%.cpp bench/bench.h bench/bench_peer.h bench/bench_set.h
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CXX  $<";)$(CXX) -std=c++17 -O3 -march=native -fopenmp -o $@ $< $(PEER_LIBS)
bench-peers: $(PEERS)
bench-index:
	@tools/setup build bench
	@$(MAKE) --no-print-directory -j$(JOBS) all benches bench-peers
	@SETS='$(SETS)' JSON='$(JSON)' bench/index $(OUT)/bench $(OUT)/akin
bench-index-scale:
	@tools/setup build
	@$(MAKE) --no-print-directory -j$(JOBS) all benches
	@SETS='$(SETS)' JSON='$(JSON)' bench/index_scale $(OUT)/bench $(OUT)/akin
bench-serve:
	@tools/setup build serve-bench
	@$(MAKE) --no-print-directory -j$(JOBS) all benches
	@JSON='$(JSON)' bench/serve $(OUT)/bench $(OUT)/akin

setup:
	@tools/setup $(if $(MPI),build test lint mpi)

web:
	@tools/web $(ROOT)/web

demo:
	@tools/setup build $(if $(MPI),mpi)
	@$(MAKE) --no-print-directory -j$(JOBS) all
	@tools/web $(ROOT)/web || echo "demo: without the page of akin serve; all else is there"
	@tools/demo $(OUT)/akin

# Everything once as it is delivered; every test program again under ASan and UBSan, those with threads under
# TSan, and the kernels' and those of searches by codes as if the CPU had less. The slow ones come first.
KERNELS = $(shell tools/kernel-tiers)
THREADED := $(filter %/test_thread %/test_pipeline %/test_comm $(OUT)/tests/index/% $(OUT)/tests/ingest/% $(OUT)/tests/serve/%,$(TEST_BIN))
TIERED := $(filter $(OUT)/tests/vec/% $(OUT)/tests/index/test_code $(OUT)/tests/index/test_epoch $(OUT)/tests/index/test_recall $(OUT)/tests/index/test_ways,$(TEST_BIN))
test:
	@tools/setup build test $(if $(MPI),mpi)
	@$(MAKE) --no-print-directory -j$(JOBS) all lib tests test-tools fuzz-targets
	@tools/web $(ROOT)/web || echo "test: without the page of akin serve: its tests are skipped"
	@$(MAKE) --no-print-directory -j$(JOBS) MODE=asan tests fuzz-targets
	@$(MAKE) --no-print-directory -j$(JOBS) MODE=tsan $(THREADED:$(OUT)/%=$(ROOT)/tsan/%)
	@AKIN=$(abspath $(OUT))/akin AKIN_TOOLS=$(abspath $(OUT))/tests/tools tools/run-tests --jobs $(JOBS) \
	    $(filter-out %/lib.sh,$(wildcard tests/cli/*.sh)) \
	    --label asan $(TEST_BIN:$(OUT)/%=$(ROOT)/asan/%) $(FUZZ_BIN:$(OUT)/%=$(ROOT)/asan/%) \
	    --label tsan $(THREADED:$(OUT)/%=$(ROOT)/tsan/%) --label '' $(TEST_BIN) $(FUZZ_BIN) \
	    $(foreach k,$(KERNELS),--label $(k) AKIN_KERNELS=$(k) $(TIERED))

lint:
	@tools/setup
	@MAKE="$(MAKE) --no-print-directory" BUILD=$(BUILD)/lint JOBS=$(JOBS) tools/lint

report:
	@tools/report

# What a file is compiled with; FILE=src/... for its own flags too.
flags:
	@echo '$(subst ','\'',$(CFLAGS_ALL) $(INCS) $(call isa,$(FILE)))'

install: all lib
	@tools/install $(OUT) '$(DESTDIR)' '$(PREFIX)' '$(LIBDIR)' $(VERSION)

clean:
	rm -rf $(BUILD)

-include $(OBJ:.o=.d) $(CLI:%.c=$(OUT)/%.d) $(TEST_BIN:=.d) $(TOOL_BIN:=.d) $(FUZZ_BIN:=.d) $(BENCH_BIN:=.d)
