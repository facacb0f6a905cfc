/* check-stat: neighbours, k-means and the Frechet distance against reference values (tests/golden/make/stat.py). */
#include "formats/safetensors.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/stat/frechet.h"
#include "lib/stat/moments.h"
#include "tests/tap.h"

#include <stdlib.h>
#include <string.h>

static struct tensors golden;

static const struct tensor *need(const char *name, enum dtype type)
{
	const struct tensor *t = tensors_find(&golden, name);
	must(t && t->type == type);
	return t;
}

/* As double, owned by the caller. */
static double *numbers(const char *name, int64_t *count)
{
	const struct tensor *t = tensors_find(&golden, name);
	must(t);
	double *to = mem_new((size_t)t->count, sizeof *to);
	for (int64_t i = 0; i < t->count; i++) {
		const char *p = (const char *)t->data + (size_t)i * dtype_size(t->type);
		uint16_t half;
		uint32_t word;
		switch (t->type) {
		case DT_F64: memcpy(to + i, p, sizeof *to); break;
		case DT_U16: memcpy(&half, p, sizeof half); to[i] = half; break;
		case DT_U32: memcpy(&word, p, sizeof word); to[i] = word; break;
		default: must(!"a tensor of counts or doubles");
		}
	}
	*count = t->count;
	return to;
}

struct matrix { float *x; int64_t n; int width; };

static struct matrix matrix(const char *name)
{
	const struct tensor *t = need(name, DT_F32);
	struct matrix m = { mem_new((size_t)t->count, sizeof(float)), t->shape[0], (int)t->shape[1] };
	memcpy(m.x, t->data, (size_t)t->count * sizeof(float));
	return m;
}

static void frechet_of(struct frechet *f, struct matrix a, struct matrix b, int chunk)
{
	struct moments m[2];
	double *mean[2], *cov[2];
	struct matrix x[2] = { a, b };

	for (int s = 0; s < 2; s++) {
		size_t w = (size_t)x[s].width;
		mean[s] = mem_new(w, sizeof(double));
		cov[s] = mem_new(w * w, sizeof(double));
		must(!moments_open(&m[s], x[s].width));
		for (int64_t i = 0; i < x[s].n; i += chunk)
			moments_add(&m[s], x[s].x + i * x[s].width, (int)(x[s].n - i < chunk ? x[s].n - i : chunk));
		must(!moments_end(&m[s], mean[s], cov[s]));
		moments_close(&m[s]);
	}
	must(!frechet_distance(f, a.width, mean[0], cov[0], mean[1], cov[1]));
	for (int s = 0; s < 2; s++) {
		free(mean[s]);
		free(cov[s]);
	}
}

/* "frechet.CASE.SET.SET": distance, mean term, traces, trace of the root, ranks. */
static void check_frechet_case(const char *name)
{
	char id[32], sets[2][64] = { "frechet.", "frechet." };
	int64_t count;
	double *want = numbers(name, &count);
	struct frechet f, g;

	must(sscanf(name, "frechet.%31[^.].%32[^.].%32s", id, sets[0] + 8, sets[1] + 8) == 3 && count == 7);
	struct matrix a = matrix(sets[0]), b = matrix(sets[1]);
	frechet_of(&f, a, b, 7);
	is_near(f.distance, want[0], 1e-11, "frechet %s: distance", id);
	is_near(f.mean_term, want[1], 1e-12, "frechet %s: mean term", id);
	is_near(f.trace_a, want[2], 1e-12, "frechet %s: first trace", id);
	is_near(f.trace_b, want[3], 1e-12, "frechet %s: second trace", id);
	is_near(f.trace_root, want[4], 1e-12, "frechet %s: trace of the root", id);
	ok(f.rank_a == want[5] && f.rank_b == want[6], "frechet %s: ranks %d and %d", id, f.rank_a, f.rank_b);
	par_set_threads(1);
	frechet_of(&g, a, b, 500);
	par_set_threads(2);
	ok(!memcmp(&f, &g, sizeof f), "frechet %s: the same for other chunks and threads", id);
	free(a.x);
	free(b.x);
	free(want);
}

static void check_frechet_given(const char *id)
{
	static const char *const part[] = { "mu1", "sigma1", "mu2", "sigma2", "fid" };
	double *p[5];
	int64_t d = 0, n;
	struct frechet f;

	for (int i = 0; i < 5; i++) {
		char name[64];
		snprintf(name, sizeof name, "frechet.given.%s.%s", id, part[i]);
		p[i] = numbers(name, i ? &n : &d);
	}
	ok(!frechet_distance(&f, (int)d, p[0], p[1], p[2], p[3]), "frechet of given moments, %s", id);
	is_near(f.distance, p[4][0], 1e-12, "frechet of given moments, %s: distance", id);
	for (int i = 0; i < 5; i++) free(p[i]);
}

static void check_frechet(void)
{
	static const char *const given[] = { "isotropic", "diagonal", "rank_one", "zero_cov", "one_zero" };
	struct moments m;
	double one[3];

	for (int i = 0; i < golden.n; i++)
		if (!strncmp(golden.t[i].name, "frechet.", 8) && strstr(golden.t[i].name, ".set_") != NULL
			&& strncmp(golden.t[i].name, "frechet.set_", 12))
			check_frechet_case(golden.t[i].name);
	for (size_t i = 0; i < LEN(given); i++) check_frechet_given(given[i]);
	must(!moments_open(&m, 1));
	moments_add(&m, &(float){ 3 }, 1);
	ok(moments_end(&m, one, one + 1), "one row has no covariance: %s", why());
	moments_close(&m);
}

int main(void)
{
	if (tensors_open(&golden, "tests/golden/stat.safetensors")) {
		fprintf(stderr, "%s\n", why());
		return 1;
	}
	check_frechet();
	tensors_close(&golden);
	return done_testing();
}
