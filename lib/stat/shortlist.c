/* shortlist: of intervals score +- slack, the k-th largest lower end is a floor; an interval wholly
 * below it is out. */
#include "lib/stat/shortlist.h"

#include <math.h>
#include <string.h>

enum { LANES = 32 };

/* Moves those that are at least the k-th largest of LANES maxima, k or more, to the front; returns
 * how many. */
static int skim(double *v, int n, int k)
{
	double most[LANES];
	int kept = 0;

	memcpy(most, v, sizeof most);
	for (int i = LANES; i + LANES <= n; i += LANES)
		for (int l = 0; l < LANES; l++) most[l] = v[i + l] > most[l] ? v[i + l] : most[l];
	double bar = shortlist_kth(most, LANES, k);
	for (int i = 0; i < n; i++)
		if (v[i] >= bar) v[kept++] = v[i];
	return kept;
}

struct candidate shortlist_candidate(double score, double slack, int64_t at)
{
	return (struct candidate){ (float)score,
		(float)((slack + fabs(score) * 0x1p-22) * (1 + 0x1p-22)), (uint32_t)at };
}

/* Hoare's selection, the middle as pivot. */
double shortlist_kth(double *v, int n, int k)
{
	int lo = 0, hi = (n > 4 * LANES && k < LANES / 2 ? skim(v, n, k) : n) - 1;

	while (lo < hi) {
		double pivot = v[lo + (hi - lo) / 2];
		int i = lo, j = hi;
		while (i <= j) {
			while (v[i] > pivot) i++;
			while (v[j] < pivot) j--;
			if (i <= j) {
				double t = v[i];
				v[i++] = v[j];
				v[j--] = t;
			}
		}
		if (k - 1 <= j) hi = j;
		else if (k - 1 >= i) lo = i;
		else break;
	}
	return v[k - 1];
}

double shortlist_bar(const struct shortlist *l)
{
	return l->guess > l->floor ? l->guess : l->floor;
}

float shortlist_low_bar(const struct shortlist *l)
{
	return nextafterf((float)shortlist_bar(l), -INFINITY);
}

void shortlist_prune(struct shortlist *l, double *scratch)
{
	int kept = 0;
	double bar;

	if (l->n < l->k) return;
	for (int i = 0; i < l->n; i++) scratch[i] = (double)l->c[i].score - (double)l->c[i].slack;
	l->floor = fmax(l->floor, shortlist_kth(scratch, l->n, l->k));
	bar = shortlist_bar(l);
	for (int i = 0; i < l->n; i++)
		if ((double)l->c[i].score + (double)l->c[i].slack >= bar)
			l->c[kept++] = l->c[i];
	l->n = kept;
}
