/* conv: convolution and its two adjoints, NHWC, cut by image or by tap so that results depend on neither batch nor threads. */
#include "kernels/cpu/cpu.h"

#include <string.h>

void cpu_conv(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	const int *d = x[0].s.d, *k = x[1].s.d, *o = y.s.d;
	int s = a->i[0];

#pragma omp parallel for collapse(2) num_threads(b->threads)
	for (int n = 0; n < o[0]; n++)
		for (int p = 0; p < o[1]; p++)
			for (int q = 0; q < o[2]; q++) {
				float *to = y.p + (((size_t)n * o[1] + p) * o[2] + q) * o[3];

				memset(to, 0, sizeof(float) * (size_t)o[3]);
				for (int t = 0; t < k[0] * k[1]; t++) {
					int h = p * s + t / k[1] - a->i[1], v = q * s + t % k[1] - a->i[3];

					if (h < 0 || h >= d[1] || v < 0 || v >= d[2]) continue;
					const float *from = x[0].p + (((size_t)n * d[1] + h) * d[2] + v) * d[3];
					const float *w = x[1].p + (size_t)t * d[3] * o[3];

					for (int i = 0; i < d[3]; i++)
						for (int c = 0; c < o[3]; c++) to[c] += from[i] * w[i * o[3] + c];
				}
			}
}

void cpu_conv_dx(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	const int *o = x[0].s.d, *k = x[1].s.d, *d = y.s.d;
	int s = a->i[0];

#pragma omp parallel for num_threads(b->threads)
	for (int n = 0; n < o[0]; n++) {
		memset(y.p + (size_t)n * d[1] * d[2] * d[3], 0, sizeof(float) * (size_t)d[1] * d[2] * d[3]);
		for (int pq = 0; pq < o[1] * o[2]; pq++) {
			const float *g = x[0].p + ((size_t)n * o[1] * o[2] + pq) * o[3];

			for (int t = 0; t < k[0] * k[1]; t++) {
				int h = pq / o[2] * s + t / k[1] - a->i[1], v = pq % o[2] * s + t % k[1] - a->i[3];

				if (h < 0 || h >= d[1] || v < 0 || v >= d[2]) continue;
				float *to = y.p + (((size_t)n * d[1] + h) * d[2] + v) * d[3];
				const float *w = x[1].p + (size_t)t * d[3] * o[3];

				for (int i = 0; i < d[3]; i++)
					for (int c = 0; c < o[3]; c++) to[i] += g[c] * w[i * o[3] + c];
			}
		}
	}
}

void cpu_conv_dw(struct backend *b, struct view y, const struct view *x, const struct attr *a)
{
	const int *d = x[0].s.d, *o = x[1].s.d, *k = y.s.d;
	int s = a->i[0];

#pragma omp parallel for num_threads(b->threads)
	for (int t = 0; t < k[0] * k[1]; t++) {
		float *w = y.p + (size_t)t * d[3] * o[3];

		memset(w, 0, sizeof(float) * (size_t)d[3] * o[3]);
		for (int n = 0; n < o[0]; n++)
			for (int pq = 0; pq < o[1] * o[2]; pq++) {
				int h = pq / o[2] * s + t / k[1] - a->i[1], v = pq % o[2] * s + t % k[1] - a->i[3];

				if (h < 0 || h >= d[1] || v < 0 || v >= d[2]) continue;
				const float *from = x[0].p + (((size_t)n * d[1] + h) * d[2] + v) * d[3];
				const float *g = x[1].p + ((size_t)n * o[1] * o[2] + pq) * o[3];

				for (int i = 0; i < d[3]; i++)
					for (int c = 0; c < o[3]; c++) w[i * o[3] + c] += from[i] * g[c];
			}
	}
}

size_t cpu_conv_scratch(struct backend *b, struct shape y, const struct shape *x, const struct attr *a)
{
	(void)b, (void)y, (void)x, (void)a;
	return 0;
}

size_t cpu_conv_dx_scratch(struct backend *b, struct shape y, const struct shape *x, const struct attr *a)
{
	(void)b, (void)y, (void)x, (void)a;
	return 0;
}

size_t cpu_conv_dw_scratch(struct backend *b, struct shape y, const struct shape *x, const struct attr *a)
{
	(void)b, (void)y, (void)x, (void)a;
	return 0;
}
