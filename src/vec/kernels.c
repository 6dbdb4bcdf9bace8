/*
 * Which kernels run: chosen once, at the first call, by what the CPU and its operating system can
 * do and by AKIN_KERNELS.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "kernels.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* __builtin_cpu_supports asks the operating system, too (XGETBV). clang 14 does not know its
 * "f16c". */
static bool cpu_has_avx2(void)
{
    unsigned eax, ebx, ecx, edx;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C);
}

static bool cpu_has_avx512(void)
{
    return cpu_has_avx2() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
}

/* Bits of CPUID's leaf 7, and what Linux wants to be asked before a process may use tiles: their
 * registers are 8 KB a thread. */
#define EDX_AMX_BF16 (1u << 22)
#define EDX_AMX_TILE (1u << 24)
#define EDX_AMX_INT8 (1u << 25)
#define EAX_AVX512_BF16 (1u << 5) /* of its subleaf 1 */
#define ARCH_REQ_XCOMP_PERM 0x1023
#define XFEATURE_XTILEDATA 18

static bool cpu_has_amx(void)
{
    const unsigned all = EDX_AMX_BF16 | EDX_AMX_TILE | EDX_AMX_INT8;
    unsigned eax, ebx, ecx, edx;
    return cpu_has_avx512() && __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) &&
           (edx & all) == all && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) &&
           (eax & EAX_AVX512_BF16) &&
           syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
#endif

/* Every name there is, best last: AKIN_KERNELS falls back along it towards the front. */
static const char *const names[] = {"scalar", "neon", "avx2", "avx512", "amx"};
#define TIER_COUNT (sizeof names / sizeof *names)

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct {
    const struct akin_kernels *tiers[TIER_COUNT]; /* NULL: not here */
    const char *list[TIER_COUNT + 1];
    const struct akin_kernels *chosen;
    struct akin_kernels amx;
} state; /* written once, under `once` */

static size_t find_name(const char *name)
{
    size_t i = 0;
    while (i < TIER_COUNT && strcmp(names[i], name) != 0)
        i++;
    return i;
}

static void choose(void)
{
    state.tiers[0] = &kernels_scalar;
#if defined(__x86_64__)
    __builtin_cpu_init();
    state.tiers[2] = cpu_has_avx2() ? &kernels_avx2 : NULL;
    state.tiers[3] = cpu_has_avx512() ? &kernels_avx512 : NULL;
    state.amx = kernels_avx512;
    state.amx.name = "amx";
    state.amx.bundle = &bundle_amx;
    state.tiers[4] = cpu_has_amx() ? &state.amx : NULL;
#elif defined(__aarch64__)
    state.tiers[1] = &kernels_neon; /* part of the architecture */
#endif
    const char *forced = getenv("AKIN_KERNELS");
    size_t limit = forced ? find_name(forced) : TIER_COUNT, count = 0;
    for (size_t i = 0; i < TIER_COUNT; i++) {
        if (!state.tiers[i])
            continue;
        state.list[count++] = names[i];
        if (i <= limit)
            state.chosen = state.tiers[i];
    }
}

const struct akin_kernels *akin_kernels(void)
{
    pthread_once(&once, choose);
    return state.chosen;
}

const struct akin_kernels *akin_kernels_named(const char *name)
{
    pthread_once(&once, choose);
    size_t i = find_name(name);
    return i < TIER_COUNT ? state.tiers[i] : NULL;
}

const char *const *akin_kernels_list(void)
{
    pthread_once(&once, choose);
    return state.list;
}
