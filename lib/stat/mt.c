/* mt: the Mersenne twister and the two draws that faiss builds on it. */
#include "lib/stat/mt.h"

enum { N = 624, M = 397 };

void mt_seed(struct mt *m, uint32_t seed)
{
	m->state[0] = seed;
	for (uint32_t i = 1; i < N; i++) {
		uint32_t last = m->state[i - 1];
		m->state[i] = 1812433253u * (last ^ last >> 30) + i;
	}
	m->at = N;
}

static void twist(struct mt *m)
{
	for (int i = 0; i < N; i++) {
		uint32_t y = (m->state[i] & 0x80000000u) | (m->state[(i + 1) % N] & 0x7fffffffu);
		m->state[i] = m->state[(i + M) % N] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
	}
	m->at = 0;
}

static uint32_t next(struct mt *m)
{
	if (m->at == N) twist(m);
	uint32_t y = m->state[m->at++];
	y ^= y >> 11;
	y ^= y << 7 & 0x9d2c5680u;
	y ^= y << 15 & 0xefc60000u;
	return y ^ y >> 18;
}

float mt_float(struct mt *m)
{
	return (float)next(m) / (float)UINT32_MAX;
}

void mt_permutation(uint32_t *p, int64_t n, uint32_t seed)
{
	struct mt m;

	mt_seed(&m, seed);
	for (int64_t i = 0; i < n; i++) p[i] = (uint32_t)i;
	for (int64_t i = 0; i + 1 < n; i++) {
		int64_t j = i + next(&m) % (n - i);
		uint32_t t = p[i];
		p[i] = p[j];
		p[j] = t;
	}
}
