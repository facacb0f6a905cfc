/* near: which set of inner loops this CPU runs. */
#include "kernels/cpu/near.h"

#ifdef __aarch64__
#include <sys/auxv.h>
#endif

const struct near_set *near_best(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
		&& __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
		&& __builtin_cpu_supports("avx512vnni"))
		return &near_avx512vnni;
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &near_avx2;
#elif defined __aarch64__
	if (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) return &near_dotprod;
#endif
	return &near_base;
}
