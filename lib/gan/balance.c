/* balance: drawing of classes by the number of their rows, tempered. */
#include "lib/gan/balance.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <math.h>
#include <stdlib.h>

enum { LARGEST = 1 << 20 };

static int count_labels(struct balance *c, const char *name, const uint32_t *label, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (label[i] > LARGEST)
			return fail("%s: label %u, expected at most %d", name, label[i], LARGEST);
		if ((int)label[i] >= c->count) c->count = (int)label[i] + 1;
	}
	return 0;
}

/* Rows in the order of their classes, by counting. */
static void sort_rows(struct balance *c, const uint32_t *label, size_t n)
{
	uint32_t *at = mem_new((size_t)c->count, sizeof *at);

	for (size_t i = 0; i < n; i++) c->start[label[i] + 1]++;
	for (int k = 0; k < c->count; k++) {
		c->start[k + 1] += c->start[k];
		at[k] = c->start[k];
	}
	for (size_t i = 0; i < n; i++) c->row[at[label[i]]++] = (uint32_t)i;
	free(at);
}

/* Powers of counts by the largest: they cannot overflow, nor all vanish. */
static void share_out(struct balance *c)
{
	uint32_t largest = 0;
	double sum = 0;

	for (int k = 0; k < c->count; k++) {
		uint32_t rows = c->start[k + 1] - c->start[k];
		largest = rows > largest ? rows : largest;
	}
	for (int k = 0; k < c->count; k++) {
		double p = (double)(c->start[k + 1] - c->start[k]) / (double)largest;
		sum += p > 0 ? (c->temperature > 0 ? pow(p, 1 / c->temperature) : 1) : 0;
		c->upto[k] = sum;
	}
	for (int k = 0; k < c->count; k++) c->upto[k] /= sum;
}

int balance_open(struct balance *c, const char *name, const uint32_t *label, size_t n,
		 double temperature)
{
	*c = (struct balance){ .temperature = temperature };
	must(n > 0 && n <= UINT32_MAX);
	if (count_labels(c, name, label, n)) return -1;
	c->upto = mem_new((size_t)c->count, sizeof *c->upto);
	c->start = mem_new((size_t)c->count + 1, sizeof *c->start);
	c->row = mem_big(n, sizeof *c->row, "rows by class");
	if (!c->row) {
		balance_close(c);
		return -1;
	}
	sort_rows(c, label, n);
	share_out(c);
	return 0;
}

void balance_close(struct balance *c)
{
	free(c->upto);
	free(c->start);
	free(c->row);
	*c = (struct balance){ .count = 0 };
}

/* The first class whose upto is above u: classes without rows add nothing and are never it. */
uint32_t balance_draw(const struct balance *c, struct rng *r)
{
	double u = rng_uniform(r);
	int low = 0, high = c->count - 1;

	while (low < high) {
		int middle = (low + high) / 2;
		if (c->upto[middle] > u) high = middle;
		else low = middle + 1;
	}
	return (uint32_t)low;
}

uint32_t balance_row(const struct balance *c, uint32_t k, struct rng *r)
{
	return c->row[c->start[k] + rng_below(r, c->start[k + 1] - c->start[k])];
}
