/* idx: the byte arrays of the MNIST family, plain or gzipped. */
#include "formats/idx.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

enum { RANK_MAX = 3, HEAD_MAX = 4 + 4 * RANK_MAX };

static bool is_gzip(const uint8_t *p, size_t n)
{
	return n >= 2 && p[0] == 0x1f && p[1] == 0x8b;
}

bool idx_is(const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	return is_gzip(p, n) ||
	       (n >= 4 && !p[0] && !p[1] && p[2] == 8 && p[3] >= 1 && p[3] <= RANK_MAX);
}

/* Fills x->rank and shape from the head; *count is their product. */
static int head(struct idx *x, const char *name, const uint8_t *p, size_t n, int rank,
		bool zipped, size_t *count)
{
	if (n < 4 || p[0] || p[1] || p[2] != 8 || p[3] != rank)
		return fail("%s: found no IDX head, expected bytes 00 00 08 %02x%s", name, rank,
			    zipped ? " in the gzip: gzip -dc unpacks other files first" : "");
	if (n < 4 + 4 * (size_t)rank) return fail("%s: IDX cut short in its head", name);
	x->rank = rank;
	*count = 1;
	for (int i = 0; i < rank; i++) {
		const uint8_t *q = p + 4 + 4 * i;
		uint32_t size =
			(uint32_t)q[0] << 24 | (uint32_t)q[1] << 16 | (uint32_t)q[2] << 8 | q[3];
		if (!size || size > INT_MAX || !mem_mul(*count, size, count))
			return fail("%s: found an IDX size of %u, expected 1 or more and all that "
				    "a file can hold", name, size);
		x->shape[i] = (int)size;
	}
	return 0;
}

static int plain(struct idx *x, const char *name, const uint8_t *p, size_t n, int rank)
{
	size_t count;

	if (head(x, name, p, n, rank, false, &count)) return -1;
	size_t start = 4 + 4 * (size_t)rank;
	if (n - start != count)
		return fail("%s: found %zu bytes of IDX data, expected %zu", name, n - start,
			    count);
	x->data = p + start;
	return 0;
}

/* Inflates exactly `want` bytes into `to`; zlib counts in unsigned ints, hence the portions. */
static int inflate_to(z_stream *z, const char *name, const uint8_t *end, uint8_t *to, size_t want)
{
	enum { PORTION = 1 << 30 };

	while (want) {
		size_t in = (size_t)(end - z->next_in);
		z->avail_in = in < PORTION ? (unsigned)in : PORTION;
		unsigned room = z->avail_out = want < PORTION ? (unsigned)want : PORTION;
		z->next_out = to;
		int got = inflate(z, Z_NO_FLUSH);
		to += room - z->avail_out;
		want -= room - z->avail_out;
		if (got == Z_STREAM_END && want)
			return fail("%s: IDX data end %zu bytes early", name, want);
		if (got == Z_BUF_ERROR) return fail("%s: gzip data cut short", name);
		if (got != Z_OK && got != Z_STREAM_END)
			return fail("%s: damaged gzip data: %s", name,
				    z->msg ? z->msg : "inflate failed");
	}
	return 0;
}

/* Nothing may follow the data, and the gzip trailer (length and CRC) must hold. */
static int inflate_end(z_stream *z, const char *name, const uint8_t *end)
{
	uint8_t over;
	size_t in = (size_t)(end - z->next_in);

	z->avail_in = in < UINT_MAX ? (unsigned)in : UINT_MAX;
	z->next_out = &over;
	z->avail_out = 1;
	int got = inflate(z, Z_NO_FLUSH);
	if (!z->avail_out) return fail("%s: found more IDX data than its head says", name);
	if (got == Z_BUF_ERROR || got == Z_OK) return fail("%s: gzip data cut short", name);
	if (got != Z_STREAM_END)
		return fail("%s: damaged gzip data: %s", name, z->msg ? z->msg : "inflate failed");
	return z->next_in == end ? 0 : fail("%s: found bytes after the gzip data", name);
}

static int unzip(struct idx *x, z_stream *z, const char *name, const uint8_t *end, size_t n,
		 int rank)
{
	uint8_t first[HEAD_MAX];
	size_t length = 4 + 4 * (size_t)rank, count;

	if (inflate_to(z, name, end, first, length)) return -1;
	if (head(x, name, first, length, rank, true, &count)) return -1;
	if (count / 1032 > n)                        /* deflate's best ratio */
		return fail("%s: %zu bytes of IDX data cannot be in %zu bytes of gzip", name, count,
			    n);
	x->data = x->owned = mem_big(count, 1, name);
	if (!x->owned || inflate_to(z, name, end, x->owned, count)) return -1;
	return inflate_end(z, name, end);
}

static int gzipped(struct idx *x, const char *name, const uint8_t *p, size_t n, int rank)
{
	z_stream z = { .next_in = (z_const Bytef *)p };

	if (inflateInit2(&z, 15 + 16) != Z_OK)       /* 15: window bits; 16: gzip framing */
		return fail("%s: no memory to unpack it", name);
	int bad = unzip(x, &z, name, p + n, n, rank);
	inflateEnd(&z);
	return bad;
}

int idx_parse(struct idx *x, const char *name, const void *bytes, size_t n, int rank)
{
	*x = (struct idx){ 0 };
	must(rank >= 1 && rank <= RANK_MAX);
	int bad = is_gzip(bytes, n) ? gzipped(x, name, bytes, n, rank)
				    : plain(x, name, bytes, n, rank);
	if (bad) idx_close(x);
	return bad;
}

void idx_close(struct idx *x)
{
	free(x->owned);
	*x = (struct idx){ 0 };
}
