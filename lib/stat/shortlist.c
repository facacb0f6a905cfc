/* shortlist: of intervals score +- slack, the k-th largest lower end is a floor; an interval wholly below it is out. */
#include "lib/stat/shortlist.h"

#include <math.h>

float shortlist_threshold(const struct shortlist *l, float slack)
{
	return nextafterf((float)(l->floor - (double)slack), -INFINITY);
}

/* Cut into k groups, the best of each group are k rows; the worst of these is a floor. */
void shortlist_raise(struct shortlist *l, const float *s, int n, float slack)
{
	float floor = INFINITY;
	int group = n / l->k;

	if (group < 2) return;
	for (int g = 0; g < l->k; g++) {
		int end = g == l->k - 1 ? n : (g + 1) * group;
		float best = -INFINITY;
		for (int j = g * group; j < end; j++) best = s[j] > best ? s[j] : best;
		floor = best < floor ? best : floor;
	}
	l->floor = fmax(l->floor, (double)floor - (double)slack);
}

/* The k-th largest of v[n] (Hoare's selection, the middle as pivot); v is reordered. */
static double kth_largest(double *v, int n, int k)
{
	int lo = 0, hi = n - 1;

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

void shortlist_prune(struct shortlist *l, double *scratch)
{
	int kept = 0;

	if (l->n < l->k) return;
	for (int i = 0; i < l->n; i++) scratch[i] = (double)l->c[i].score - (double)l->c[i].slack;
	l->floor = fmax(l->floor, kth_largest(scratch, l->n, l->k));
	for (int i = 0; i < l->n; i++)
		if ((double)l->c[i].score + (double)l->c[i].slack >= l->floor) l->c[kept++] = l->c[i];
	l->n = kept;
}
