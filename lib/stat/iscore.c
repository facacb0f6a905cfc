/* iscore: mean_x sum_c p log p - sum_c q log q with q the mean of p; log p comes from the
 * logits, so that a probability of 0 counts 0 and is no NaN. */
#include "lib/stat/iscore.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/say.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* Adds the probabilities of one row to q[width]; returns the sum of p log p. */
static double add_row(const float *logit, int width, double *p, double *q)
{
	double most = (double)logit[0], total = 0, sum = 0;

	for (int c = 1; c < width; c++) most = fmax(most, (double)logit[c]);
	for (int c = 0; c < width; c++) total += p[c] = exp((double)logit[c] - most);
	double log_total = log(total);
	for (int c = 0; c < width; c++) {
		p[c] /= total;
		q[c] += p[c];
		if (p[c] > 0) sum += p[c] * ((double)logit[c] - most - log_total);
	}
	return sum;
}

int iscore_range(double *score, const struct knn_set *logits, int64_t first, int64_t n)
{
	size_t width = (size_t)logits->width;
	double *p = mem_new(width, sizeof *p), *q = mem_new(width, sizeof *q), sum = 0;
	float *row = mem_new(width, sizeof *row);
	int bad = 0;

	for (int64_t i = 0; i < n && !bad; i++) {
		bad = stop_check() || logits->fetch(logits, first + i, 1, row) ? -1 : 0;
		if (!bad) sum += add_row(row, logits->width, p, q);
	}
	sum /= (double)n;
	for (size_t c = 0; c < width; c++)
		if (q[c] > 0) sum -= q[c] / (double)n * log(q[c] / (double)n);
	*score = exp(sum);
	free(p);
	free(q);
	free(row);
	return bad;
}

int iscore_parts(struct iscore *s, const struct knn_set *logits, int parts)
{
	double *score = mem_new((size_t)parts, sizeof *score), square = 0;
	int bad = 0;

	*s = (struct iscore){ 0 };
	if (logits->count < parts)
		bad = fail("%s: %" PRId64 " rows, expected at least one for each of %d parts",
			logits->name, logits->count, parts);
	for (int i = 0; i < parts && !bad; i++) {
		int64_t first = i * logits->count / parts, end = (i + 1) * logits->count / parts;
		bad = iscore_range(&score[i], logits, first, end - first);
		s->mean += score[i];
	}
	s->mean /= parts;
	for (int i = 0; i < parts; i++) square += (score[i] - s->mean) * (score[i] - s->mean);
	s->deviation = sqrt(square / parts);
	free(score);
	return bad;
}
