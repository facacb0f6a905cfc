/* fid: rows and distances for fid.sh.
 * usage: fid rows N D SEED FILE | distance REAL.npz FAKE.npz
 * rows writes a store of N correlated rows; distance prints "wall seconds<tab>CPU
 * seconds<tab>value" of the Frechet distance alone. */
#include "formats/npz.h"
#include "kernels/cpu/blas.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/rng.h"
#include "lib/stat/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* x_j = |z_j + z_{j-1} / 2| (1 + j mod 7) / 8 of normal z: like pooled features not below 0, of
 * full rank, and no column independent of its neighbours. */
static int write_rows(int64_t n, int d, uint64_t seed, const char *path)
{
	struct rows_info info = { .kind = "features", .type = ROWS_F32, .width = d, .count = n };
	float *row = mem_new((size_t)d, sizeof *row);
	struct rows to;
	int bad = rows_meta_add(&info, "net", "noise") || rows_create(&to, path, &info, true, NULL);

	for (int64_t i = 0; i < n && !bad; i++) {
		struct rng r = rng_at(seed, (uint64_t)i);
		double before = 0;
		for (int j = 0; j < d; j++) {
			double z = rng_normal(&r);
			row[j] = (float)(fabs(z + before / 2) * (1 + j % 7) / 8);
			before = z;
		}
		bad = rows_put(&to, (uint64_t)i, 0, row);
	}
	if (!bad) bad = rows_seal(&to);
	rows_close(&to);
	free(row);
	return bad;
}

static int measure(const char *real, const char *fake)
{
	struct npz a, b;
	struct frechet f;

	if (npz_read(&a, real) || npz_read(&b, fake)) return -1;
	struct stats x = { a.info.width, a.info.count, a.mean, a.cov };
	struct stats y = { b.info.width, b.info.count, b.mean, b.cov };
	double wall = now(CLOCK_MONOTONIC), cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	int bad = stats_distance(&f, &x, &y);
	printf("%.2f\t%.2f\t%.9f\n", now(CLOCK_MONOTONIC) - wall,
		now(CLOCK_PROCESS_CPUTIME_ID) - cpu, f.distance);
	npz_close(&a);
	npz_close(&b);
	return bad;
}

int main(int argc, char **argv)
{
	int bad;

	blas_start(argv);
	if (argc == 6 && !strcmp(argv[1], "rows"))
		bad = write_rows(atoll(argv[2]), atoi(argv[3]), (uint64_t)atoll(argv[4]), argv[5]);
	else if (argc == 4 && !strcmp(argv[1], "distance")) bad = measure(argv[2], argv[3]);
	else bad = fail("usage: fid rows N D SEED FILE | distance REAL.npz FAKE.npz");
	if (bad) fprintf(stderr, "fid: %s\n", why());
	return bad ? 1 : 0;
}
