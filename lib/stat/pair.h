/* pair: the row loops of lib/stat, in versions for wider vectors where the processor has them. */
#ifndef IC_PAIR_H
#define IC_PAIR_H

#include <stdint.h>

void pair_scale(float *x, int n, double by);                       /* in double, then rounded */
void pair_add(double *sum, const float *x, int n);                 /* sum += x */
double pair_square(const float *x, int n);                         /* sum of squares, in double */
double pair_dot(const double *x, const double *y, int n);
void pair_widen(double *to, const float *x, int n, double by);     /* to = by x, in double */
double pair_distance2(const double *x, const double *y, int n);    /* sum of squared differences */
/* The same with by y, and the product with y; y is far from the processor, and y_next[n] the next
 * one, which is on its way from then on. */
double pair_apart2(const double *x, const float *y, int n, double by, const float *y_next);
double pair_along(const double *x, const float *y, int n, const float *y_next);
/* to = by x - mean, in double, then rounded; returns its square before rounding, and its product
 * with mean. */
double pair_centre(const float *x, const double *mean, double by, int n, float *to, double *dot);
float pair_most(const float *x, int n);                            /* the largest absolute value */
/* x = step (256 high + low) + what is lost, with low as near.h stores it; lost[0] is the square of
 * what high alone loses, lost[1] of what both lose. */
void pair_round(const float *x, int n, float step, int8_t *high, uint8_t *low, float lost[2]);

#endif
