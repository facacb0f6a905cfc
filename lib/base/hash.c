/* hash: XXH64, written from its published specification. */
#include "lib/base/hash.h"

#include <string.h>

#define P1 0x9E3779B185EBCA87u
#define P2 0xC2B2AE3D27D4EB4Fu
#define P3 0x165667B19E3779F9u
#define P4 0x85EBCA77C2B2AE63u
#define P5 0x27D4EB2F165667C5u

static uint64_t rotl(uint64_t x, int r)
{
	return x << r | x >> (64 - r);
}

static uint64_t get64(const unsigned char *p)
{
	uint64_t x;
	memcpy(&x, p, 8);
	return x;
}

static uint64_t lane(uint64_t acc, uint64_t in)
{
	return rotl(acc + in * P2, 31) * P1;
}

static uint64_t merge(uint64_t h, uint64_t v)
{
	return (h ^ lane(0, v)) * P1 + P4;
}

void hash_start(struct hash *h)
{
	*h = (struct hash){ .v = { P1 + P2, P2, 0, -P1 } };
}

static void stripe(struct hash *h, const unsigned char *p)
{
	for (int i = 0; i < 4; i++) h->v[i] = lane(h->v[i], get64(p + 8 * i));
}

void hash_add(struct hash *h, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	h->total += n;
	if (h->held) {
		size_t take = 32 - h->held < n ? 32 - h->held : n;
		memcpy(h->buf + h->held, p, take);
		h->held += (unsigned)take, p += take, n -= take;
		if (h->held < 32) return;
		stripe(h, h->buf);
		h->held = 0;
	}
	for (; n >= 32; p += 32, n -= 32) stripe(h, p);
	if (n) memcpy(h->buf, p, n);
	h->held = (unsigned)n;
}

uint64_t hash_end(const struct hash *h)
{
	const unsigned char *p = h->buf, *end = p + h->held;
	uint64_t x = h->v[2] + P5;

	if (h->total >= 32) {
		x = rotl(h->v[0], 1) + rotl(h->v[1], 7) + rotl(h->v[2], 12) + rotl(h->v[3], 18);
		for (int i = 0; i < 4; i++) x = merge(x, h->v[i]);
	}
	x += h->total;
	for (; end - p >= 8; p += 8) x = rotl(x ^ lane(0, get64(p)), 27) * P1 + P4;
	if (end - p >= 4) {
		uint32_t w;
		memcpy(&w, p, 4);
		x = rotl(x ^ w * P1, 23) * P2 + P3;
		p += 4;
	}
	for (; p < end; p++) x = rotl(x ^ *p * P5, 11) * P1;
	x = (x ^ x >> 33) * P2;
	x = (x ^ x >> 29) * P3;
	return x ^ x >> 32;
}

uint64_t hash_of(const void *bytes, size_t n)
{
	struct hash h;
	hash_start(&h);
	hash_add(&h, bytes, n);
	return hash_end(&h);
}
