/* closest: the samples whose features are closest to their instance's. */
#include "lib/gan/closest.h"
#include "lib/base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int closest_open(struct closest *c, const char *path, const struct rows_info *rows,
		 const char *weights, int keep)
{
	*c = (struct closest){ .keep = keep };
	if (nets_again(&c->net, path, rows, weights)) return -1;
	c->one = mem_new((size_t)keep, sizeof *c->one);
	return 0;
}

int closest_embed(struct closest *c, int n, const struct image *picture)
{
	if (n > c->room) {
		c->f = mem_grow(c->f, (size_t)n * (size_t)c->net.width, sizeof *c->f);
		c->room = n;
	}
	return nets_features(&c->net, n, picture, false, c->f);
}

/* |f / |f| - h|; 1, as far as any vector at right angles, for a row of zeros. */
static double distance(const float *f, const real *h, int n)
{
	double ff = 0, d = 0;

	for (int k = 0; k < n; k++) ff += (double)f[k] * (double)f[k];
	double scale = ff > 0 ? 1 / sqrt(ff) : 0;
	for (int k = 0; k < n; k++) {
		double e = (double)f[k] * scale - (double)h[k];
		d += e * e;
	}
	return sqrt(d);
}

void closest_offer(struct closest *c, int i, const struct pam_head *head,
		   const struct image *picture, const real *h)
{
	size_t bytes = (size_t)picture[i].height * (size_t)picture[i].width * 3;
	double d = distance(c->f + (size_t)i * (size_t)c->net.width, h, c->net.width);
	int at = c->n;

	while (at && c->one[at - 1].distance > d) at--;
	if (at == c->keep) return;
	uint8_t *rgb = c->n == c->keep ? c->one[--c->n].rgb : mem_new(bytes, 1);
	memmove(c->one + at + 1, c->one + at, (size_t)(c->n - at) * sizeof *c->one);
	c->one[at] = (struct closest_one){ d, *head, rgb };
	memcpy(rgb, picture[i].rgb, bytes);
	c->n++;
}

static int by_key(const void *a, const void *b)
{
	const struct closest_one *x = a, *y = b;
	return x->head.key < y->head.key ? -1 : x->head.key > y->head.key;
}

void closest_sort(struct closest *c)
{
	if (c->n) qsort(c->one, (size_t)c->n, sizeof *c->one, by_key);
}

void closest_clear(struct closest *c)
{
	while (c->n) free(c->one[--c->n].rgb);
}

void closest_close(struct closest *c)
{
	closest_clear(c);
	nets_close(&c->net);
	free(c->one);
	free(c->f);
	*c = (struct closest){ 0 };
}
