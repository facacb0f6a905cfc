/* par: parallel loops over OpenMP. */
#include "lib/base/par.h"

#include <omp.h>

static int threads;

void par_set_threads(int n)
{
	threads = n > 0 ? n : omp_get_num_procs();
	omp_set_dynamic(0);
	omp_set_num_threads(threads);
}

int par_threads(void)
{
	if (!threads) par_set_threads(0);
	return threads;
}

void par_for(int64_t n, void *ctx, par_body *body)
{
	if (n == 1 || par_threads() == 1) {
		for (int64_t i = 0; i < n; i++) body(ctx, i, 0);
		return;
	}
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
	for (int64_t i = 0; i < n; i++) body(ctx, i, omp_get_thread_num());
}
