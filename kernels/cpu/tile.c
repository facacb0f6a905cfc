/* tile: which set of inner loops this CPU runs. */
#include "kernels/cpu/tile.h"

const struct tile_set *tile_best(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
		&& __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
		return &tile_avx512;
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &tile_avx2;
#endif
	return &tile_base;
}
