/* rng: Philox4x32-10. */
#include "lib/base/rng.h"

#include <math.h>

void rng_philox(const uint32_t ctr[4], const uint32_t key[2], uint32_t out[4])
{
	uint32_t a = ctr[0], b = ctr[1], c = ctr[2], d = ctr[3], k0 = key[0], k1 = key[1];

	for (int round = 0; round < 10; round++) {
		uint64_t p = (uint64_t)a * 0xD2511F53u, q = (uint64_t)c * 0xCD9E8D57u;
		a = (uint32_t)(q >> 32) ^ b ^ k0;
		b = (uint32_t)q;
		c = (uint32_t)(p >> 32) ^ d ^ k1;
		d = (uint32_t)p;
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
	out[0] = a, out[1] = b, out[2] = c, out[3] = d;
}

struct rng rng_at(uint64_t seed, uint64_t stream)
{
	return (struct rng){ .seed = seed, .stream = stream };
}

uint32_t rng_u32(struct rng *r)
{
	int lane = (int)(r->at & 3);

	if (!lane) {
		uint64_t n = r->at >> 2;
		uint32_t ctr[4] = { (uint32_t)n, (uint32_t)(n >> 32), (uint32_t)r->stream,
				    (uint32_t)(r->stream >> 32) };
		uint32_t key[2] = { (uint32_t)r->seed, (uint32_t)(r->seed >> 32) };
		rng_philox(ctr, key, r->out);
	}
	r->at++;
	return r->out[lane];
}

double rng_uniform(struct rng *r)
{
	uint64_t hi = rng_u32(r) >> 5, lo = rng_u32(r) >> 6;
	return (double)(hi << 26 | lo) * 0x1p-53;
}

uint32_t rng_below(struct rng *r, uint32_t n)
{
	uint32_t least = -n % n;             /* Lemire 2019: reject the short tail */
	uint64_t m;

	do m = (uint64_t)rng_u32(r) * n;
	while ((uint32_t)m < least);
	return (uint32_t)(m >> 32);
}

double rng_normal(struct rng *r)
{
	double u = 1 - rng_uniform(r), v = rng_uniform(r);
	return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

void rng_shuffle(struct rng *r, uint32_t *p, uint32_t n)
{
	for (uint32_t i = n; i > 1; i--) {
		uint32_t j = rng_below(r, i), t = p[i - 1];
		p[i - 1] = p[j];
		p[j] = t;
	}
}
