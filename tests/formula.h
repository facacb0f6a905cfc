/* formula: numbers made from names, with which golden cases fill weights and inputs. */
#ifndef IC_TESTS_FORMULA_H
#define IC_TESTS_FORMULA_H

#include "formats/safetensors.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* fnv1a64 of two texts, one after the other */
static inline uint64_t formula_name(const char *prefix, const char *name)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *prefix; prefix++) h = (h ^ (unsigned char)*prefix) * 0x100000001b3u;
	for (; *name; name++) h = (h ^ (unsigned char)*name) * 0x100000001b3u;
	return h;
}

/* u(name, i) in [0,1): the top 24 bits of splitmix64 at state fnv1a64(name) + (i+1) * golden
 * ratio. */
static inline double formula_u(uint64_t name, int64_t i)
{
	uint64_t z = name + (uint64_t)(i + 1) * 0x9E3779B97F4A7C15u;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return (double)((z ^ z >> 31) >> 40) / 16777216;
}

/* sym[n] = 2 u - 1 of the name, times a factor; owned. */
static inline float *formula_sym(const char *name, int64_t n, double factor)
{
	uint64_t h = formula_name("", name);
	float *x = mem_new((size_t)n, sizeof *x);

	for (int64_t i = 0; i < n; i++) x[i] = (float)(factor * (2 * formula_u(h, i) - 1));
	return x;
}

/* The values of a weight: running_var 1/2 + u; running_mean and bias s/10; other vectors 1 + s/10;
 * matrices s sqrt(3 / fan in), convolutions s sqrt(3 gain / fan in), of rank 3 s sqrt(3 / width);
 * owned. */
static inline float *formula_weight(const char *prefix, const struct tensor *t, double gain)
{
	uint64_t h = formula_name(prefix, t->name);
	bool variance = strstr(t->name, "running_var");
	bool small = strstr(t->name, "running_mean") || strstr(t->name, ".bias");
	double fan = t->rank > 1 ? (double)(t->count / t->shape[0]) : 1;
	if (t->rank == 3) fan = (double)t->shape[2];
	double high = sqrt(3 * (t->rank == 4 ? gain : 1) / fan);
	float *x = mem_new((size_t)t->count, sizeof *x);

	for (int64_t i = 0; i < t->count; i++) {
		double u = formula_u(h, i), s = 2 * u - 1;
		x[i] = (float)(variance ? 0.5 + u : small ? 0.1 * s :
			t->rank == 1 ? 1 + 0.1 * s : s * high);
	}
	return x;
}

/* The next tensor of a table of tests/golden/nets: NAME<tab>TYPE<tab>AxBxC, or "scalar"; it borrows
 * the name. */
static inline bool formula_next(FILE *f, struct tensor *t, char name[128])
{
	char type[16], shape[64], *p = shape;

	if (fscanf(f, "%127s %15s %63s", name, type, shape) != 3) return false;
	*t = (struct tensor){ .name = name, .type = DT_F32, .count = 1 };
	while (*p >= '0' && *p <= '9' && t->rank < 8) {
		t->shape[t->rank] = strtol(p, &p, 10);
		t->count *= t->shape[t->rank++];
		p += *p == 'x';
	}
	return true;
}

/* All tensors of tests/golden/nets/TABLE.tsv, in its order, with formula values. */
static inline struct tensors formula_tensors(const char *table, const char *prefix, double gain)
{
	char path[128], name[128];
	struct tensors w = { .path = mem_text("%s", table) };
	struct tensor t;

	snprintf(path, sizeof path, "tests/golden/nets/%s.tsv", table);
	FILE *f = fopen(path, "r");
	must(f);
	while (formula_next(f, &t, name)) {
		float *x = formula_weight(prefix, &t, gain);
		tensors_own(&w, x);
		tensors_add(&w, name, DT_F32, t.rank, t.shape, x);
	}
	fclose(f);
	return w;
}

#endif
