/* shortlist: the candidates of one query: everything that its scores' error bounds leave among the
 * k best. */
#ifndef IC_SHORTLIST_H
#define IC_SHORTLIST_H

#include <stdbool.h>
#include <stdint.h>

/* The true score lies within score - slack .. score + slack; larger is nearer. */
struct candidate { float score, slack; uint32_t at; };

/* These, with room for their own rounding. */
struct candidate shortlist_candidate(double score, double slack, int64_t at);

struct shortlist {
	struct candidate *c;                 /* [room], borrowed */
	int n, room, k;
	double floor;                        /* k rows or more seen have true scores not below it */
	double guess;                        /* what the floor will be at least, unless wrong */
};

/* What a candidate must reach; in single precision, never above it. */
double shortlist_bar(const struct shortlist *);
float shortlist_low_bar(const struct shortlist *);

/* The k-th largest of v[n], whose order, or content, is lost. */
double shortlist_kth(double *v, int n, int k);
/* Raises the floor from the candidates and drops those below the bar; scratch[room]. */
void shortlist_prune(struct shortlist *, double *scratch);

#endif
