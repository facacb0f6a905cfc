/* ground: the mean is that of a few rows, evenly spaced: it need not be exact, only the same for
 * all. */
#include "lib/stat/ground.h"
#include "lib/base/mem.h"
#include "lib/stat/pair.h"

#include <math.h>
#include <stdlib.h>

enum { SAMPLE = 512 };

double ground_scale(const struct ground *g, const struct knn_set *s, int64_t i)
{
	return g->metric == KNN_COSINE ? 1 / s->norm[i] : g->scale;
}

static int find_mean(struct ground *g, const struct knn_set *s)
{
	int64_t n = s->count < SAMPLE ? s->count : SAMPLE;
	float *row = mem_new((size_t)g->width, sizeof *row);
	int bad = 0;

	for (int64_t i = 0; i < n && !bad; i++) {
		int64_t at = i * (s->count / n);
		bad = s->fetch(s, at, 1, row);
		pair_scale(row, g->width, ground_scale(g, s, at));
		pair_add(g->mean, row, g->width);
	}
	for (int j = 0; j < g->width; j++) g->mean[j] /= (double)(n ? n : 1);
	g->mean2 = pair_dot(g->mean, g->mean, g->width);
	free(row);
	return bad;
}

int ground_open(struct ground *g, enum knn_metric metric, const struct knn_set *about,
	const struct knn_set *other)
{
	int exponent = 0;

	frexp(fmax(about->longest, other->longest), &exponent);
	*g = (struct ground){ .metric = metric, .width = about->width, .scale = ldexp(1, -exponent),
		.mean = mem_new((size_t)about->width, sizeof *g->mean) };
	if (!find_mean(g, about)) return 0;
	ground_close(g);
	return -1;
}

void ground_close(struct ground *g)
{
	free(g->mean);
	g->mean = NULL;
}

double ground_centre(
	const struct ground *g, double by, const float *x, float *to, double *square)
{
	double dot;

	*square = pair_centre(x, g->mean, by, g->width, to, &dot);
	return g->metric == KNN_IP ? dot : -*square / 2;
}

double ground_score(const struct ground *g, double addend, double distance)
{
	double unit = g->scale * g->scale;

	if (g->metric == KNN_IP) return -distance * unit - addend - g->mean2;
	return -addend - distance * (g->metric == KNN_L2 ? unit : 1) / 2;
}
