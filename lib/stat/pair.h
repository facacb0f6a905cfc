/* pair: the row loops of lib/stat, in versions for wider vectors where the processor has them. */
#ifndef IC_PAIR_H
#define IC_PAIR_H

void pair_scale(float *x, int n, double by);                       /* each product in double, then rounded */
void pair_add(double *sum, const float *x, int n);                 /* sum += x */
double pair_square(const float *x, int n);                         /* sum of squares, in double */
double pair_dot(const double *x, const double *y, int n);
void pair_widen(double *to, const float *x, int n, double by);     /* to = by x, in double */
double pair_distance2(const double *x, const double *y, int n);    /* sum of squared differences */
int pair_reach(const float *s, int from, int n, float threshold);  /* the first i >= from with s[i] >= threshold, or n */

#endif
