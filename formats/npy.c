/* npy: NumPy arrays: magic, version, header length, a Python dict literal of descr, fortran_order
 * and shape, then the elements. The literal is scanned, never evaluated. */
#include "formats/npy.h"
#include "formats/map.h"
#include "formats/part.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <string.h>

enum { RANK_MAX = (int)LEN(((struct npy_array *)0)->shape) };

struct reader {
	const char *name;                    /* for messages */
	const char *p, *end;                 /* what is left of the header */
	struct npy_array *a;
};

static bool take(struct reader *r, const char *text)
{
	size_t n = strlen(text);

	while (r->p < r->end && (*r->p == ' ' || *r->p == '\n')) r->p++;
	if ((size_t)(r->end - r->p) < n || memcmp(r->p, text, n)) return false;
	r->p += n;
	return true;
}

/* A string in either quote, without escapes, into buf. */
static bool take_text(struct reader *r, char *buf, size_t size)
{
	const char *quote = take(r, "'") ? "'" : take(r, "\"") ? "\"" : NULL;
	if (!quote) return false;
	const char *close = memchr(r->p, *quote, (size_t)(r->end - r->p));
	if (!close || (size_t)(close - r->p) >= size) return false;
	memcpy(buf, r->p, (size_t)(close - r->p));
	buf[close - r->p] = '\0';
	r->p = close + 1;
	return true;
}

static bool take_count(struct reader *r, int64_t *out)
{
	int64_t x = 0;

	take(r, "");
	const char *from = r->p;
	for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++)
		if (__builtin_mul_overflow(x, 10, &x) || __builtin_add_overflow(x, *r->p - '0', &x))
			return false;
	if (r->p == from) return false;
	if (r->p < r->end && *r->p == 'L') r->p++;      /* Python 2 */
	*out = x;
	return true;
}

int npy_type(struct npy_array *a, const char *text)
{
	static const struct { char text[3]; enum dtype type; } known[] = {
		{ "f2", DT_F16 }, { "f4", DT_F32 }, { "f8", DT_F64 }, { "b1", DT_BOOL },
		{ "i1", DT_I8 },  { "i2", DT_I16 }, { "i4", DT_I32 }, { "i8", DT_I64 },
		{ "u1", DT_U8 },  { "u2", DT_U16 }, { "u4", DT_U32 }, { "u8", DT_U64 },
	};

	a->type = 0;
	if (text[0] && strchr("<>=|", text[0]))
		for (size_t i = 0; i < LEN(known); i++)
			if (!strcmp(text + 1, known[i].text)) a->type = known[i].type;
	if (!a->type || (text[0] == '|' && dtype_size(a->type) > 1))
		return fail("%s: found elements of type %.16s, expected integers, floats or "
			"booleans", a->name, text);
	a->swap = text[0] == '>';
	return 0;
}

static int read_descr(struct reader *r)
{
	char text[16];

	if (!take_text(r, text, sizeof text))
		return fail("%s: the element type is no short text", r->name);
	return strcmp(text, "|O") ? npy_type(r->a, text) : 0;
}

/* (), (n,), (n, m), ... */
static int read_shape(struct reader *r)
{
	struct npy_array *t = r->a;
	bool comma = true;

	if (!take(r, "(")) return fail("%s: the shape is no tuple", r->name);
	while (!take(r, ")")) {
		if (!comma || t->rank == RANK_MAX || !take_count(r, &t->shape[t->rank++]))
			return fail("%s: the shape is not a tuple of up to %d numbers", r->name,
				RANK_MAX);
		comma = take(r, ",");
	}
	if (t->rank == 1 && !comma)
		return fail("%s: the shape is a number, expected a tuple", r->name);
	return 0;
}

enum { HAS_DESCR = 1, HAS_ORDER = 2, HAS_SHAPE = 4, HAS_ALL = 7 };

/* One "key: value": which it was, or -1. */
static int read_item(struct reader *r)
{
	char key[16];

	if (!take_text(r, key, sizeof key) || !take(r, ":"))
		return fail("%s: the header is no dictionary", r->name);
	if (!strcmp(key, "descr")) return read_descr(r) ? -1 : HAS_DESCR;
	if (!strcmp(key, "shape")) return read_shape(r) ? -1 : HAS_SHAPE;
	if (strcmp(key, "fortran_order"))
		return fail("%s: found key %s in the header", r->name, key);
	r->a->fortran = take(r, "True");
	if (!r->a->fortran && !take(r, "False"))
		return fail("%s: fortran_order is neither True nor False", r->name);
	return HAS_ORDER;
}

static int read_header(struct reader *r)
{
	int seen = 0;

	if (!take(r, "{")) return fail("%s: the header is no dictionary", r->name);
	while (!take(r, "}")) {
		int which = read_item(r);
		if (which < 0) return -1;
		if (seen & which) return fail("%s: a key is given twice in the header", r->name);
		seen |= which;
		if (!take(r, ",")) {
			if (!take(r, "}")) return fail("%s: the header does not end", r->name);
			break;
		}
	}
	take(r, "");
	if (r->p != r->end) return fail("%s: found text after the header's dictionary", r->name);
	return seen == HAS_ALL ? 0 : fail("%s: descr, fortran_order or shape is missing", r->name);
}

/* Bytes per element, reversed when the file is big-endian. */
static void copy_element(char *to, const char *from, size_t size, bool swap)
{
	for (size_t i = 0; i < size; i++) to[i] = from[swap ? size - 1 - i : i];
}

/* Element e in C order lies at sum of index_k * product(shape[0..k-1]) in Fortran order. */
static void copy_elements(const struct npy_array *a, int64_t count, char *to)
{
	size_t size = dtype_size(a->type);
	const char *from = a->bytes;

	if (!a->swap && !a->fortran) {
		if (count) memcpy(to, from, (size_t)count * size);
		return;
	}
	for (int64_t e = 0; e < count; e++) {
		int64_t rest = e, at = 0, stride = count;
		for (int k = a->rank - 1; k >= 0 && a->fortran; k--) {
			stride /= a->shape[k];
			at += rest % a->shape[k] * stride;
			rest /= a->shape[k];
		}
		if (!a->fortran) at = e;
		copy_element(to + (size_t)e * size, from + (size_t)at * size, size, a->swap);
	}
}

int npy_elements(struct tensor *t, const struct npy_array *a)
{
	size_t bytes = dtype_size(a->type);

	*t = (struct tensor){ .type = a->type, .rank = a->rank };
	if (!a->type)
		return fail("%s: found Python's objects, expected integers, floats or booleans",
			a->name);
	memcpy(t->shape, a->shape, sizeof t->shape);
	for (int i = 0; i < a->rank; i++)
		if (!mem_mul(bytes, (size_t)a->shape[i], &bytes))
			return fail("%s: the shape is larger than any file", a->name);
	if (bytes != a->n)
		return fail("%s: found %zu bytes of elements, expected %zu by the shape", a->name,
			a->n, bytes);
	t->count = (int64_t)(bytes / dtype_size(a->type));
	char *data = mem_big(bytes, 1, a->name);
	if (!data) return -1;
	copy_elements(a, t->count, data);
	t->data = data;
	return 0;
}

int npy_open(struct npy_array *a, const char *name, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	*a = (struct npy_array){ .name = name };
	if (n < 10 || memcmp(p, "\x93NUMPY", 6)) return fail("%s: found no npy file", name);
	if (p[6] < 1 || p[6] > 3 || p[7])
		return fail("%s: found npy version %d.%d, expected 1.0 to 3.0", name, p[6], p[7]);
	size_t start = p[6] == 1 ? 10 : 12, length = p[8] | (size_t)p[9] << 8;
	if (p[6] > 1 && n >= 12) length |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
	if (n < start || length > n - start)
		return fail("%s: the header is cut: %zu bytes in a file of %zu", name, length, n);
	const char *head = (const char *)p + start;
	struct reader r = { .name = name, .p = head, .end = head + length, .a = a };
	a->bytes = head + length;
	a->n = n - start - length;
	return read_header(&r);
}

int npy_parse(struct tensor *t, const char *name, const void *bytes, size_t n)
{
	struct npy_array a;

	if (!npy_open(&a, name, bytes, n) && !npy_elements(t, &a)) return 0;
	*t = (struct tensor){ 0 };
	return -1;
}

int npy_read(struct tensor *t, const char *path)
{
	struct map m;

	*t = (struct tensor){ 0 };
	if (map_open(&m, path, 10)) return -1;
	int bad = npy_parse(t, path, m.p, m.bytes);
	map_close(&m);
	return bad;
}

size_t npy_head(unsigned char to[NPY_HEAD], const struct tensor *t)
{
	static const char *const descr[] = {
		[DT_F16] = "<f2", [DT_F32] = "<f4", [DT_F64] = "<f8", [DT_BOOL] = "|b1",
		[DT_I8] = "|i1",  [DT_I16] = "<i2", [DT_I32] = "<i4", [DT_I64] = "<i8",
		[DT_U8] = "|u1",  [DT_U16] = "<u2", [DT_U32] = "<u4", [DT_U64] = "<u8",
	};
	char *head = (char *)to + 10;
	size_t size = NPY_HEAD - 10;

	if (!descr[t->type]) return 0;
	int n = snprintf(head, size, "{'descr': '%s', 'fortran_order': False, 'shape': (",
		descr[t->type]);
	for (int i = 0; i < t->rank; i++)
		n += snprintf(head + n, size - (size_t)n, "%s%lld", i ? ", " : "",
			(long long)t->shape[i]);
	n += snprintf(head + n, size - (size_t)n, "%s), }", t->rank == 1 ? "," : "");
	while ((10 + n + 1) % 64) head[n++] = ' ';
	head[n++] = '\n';
	memcpy(to, "\x93NUMPY\x01\x00", 8);
	to[8] = (unsigned char)n;
	to[9] = (unsigned char)(n >> 8);
	return 10 + (size_t)n;
}

int npy_write(const char *path, const struct tensor *t, bool force)
{
	unsigned char head[NPY_HEAD];
	size_t n = npy_head(head, t);
	struct part out;

	if (!n) return fail("%s: npy has no elements of type %s", path, dtype_name(t->type));
	if (part_open(&out, path, force)) return -1;
	fwrite(head, 1, n, out.f);
	if (t->count) fwrite(t->data, dtype_size(t->type), (size_t)t->count, out.f);
	return part_close(&out);
}
