/* frame: encoding and checking of the parts of a row stream. */
#include "formats/frame.h"
#include "lib/base/fail.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	"files are little-endian and read in place");
_Static_assert(sizeof(struct frame_head) == 80 && sizeof(struct frame_block) == 16 &&
	sizeof(struct frame_end) == 32, "sizes of ic-rows(5)");
_Static_assert(offsetof(struct frame_head, type) == 8 && offsetof(struct frame_head, width) == 12 &&
	offsetof(struct frame_head, count) == 16 && offsetof(struct frame_head, from) == 24 &&
	offsetof(struct frame_head, root) == 32 && offsetof(struct frame_head, flags) == 40 &&
	offsetof(struct frame_head, meta_bytes) == 44 && offsetof(struct frame_head, kind) == 48 &&
	offsetof(struct frame_head, height) == 64 && offsetof(struct frame_head, im_width) == 68 &&
	offsetof(struct frame_head, channels) == 72, "offsets of ic-rows(5)");
_Static_assert(sizeof((struct rows_info *)0)->meta == FRAME_MAX_META + 1,
	"the longest meta text fits");

static size_t padded(size_t bytes)
{
	return (bytes + FRAME_ALIGN - 1) / FRAME_ALIGN * FRAME_ALIGN;
}

static bool all_zero(const unsigned char *p, size_t n)
{
	while (n--) if (*p++) return false;
	return true;
}

static bool kind_ok(const char kind[16])
{
	size_t n = strnlen(kind, 16);

	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)kind[i]) && !strchr("-_", kind[i])) return false;
	return n > 0 && n < 16 && all_zero((const unsigned char *)kind + n, 16 - n);
}

/* Lines "name=value"; the name of letters, digits, '-', '_' and '.'; the value without control
 * characters. */
static bool meta_ok(const char *meta)
{
	while (*meta) {
		const char *name = meta;
		while (isalnum((unsigned char)*meta) || (*meta && strchr("-_.", *meta))) meta++;
		if (meta == name || *meta++ != '=') return false;
		while ((unsigned char)*meta >= ' ' && *meta != 127) meta++;
		if (*meta++ != '\n') return false;
	}
	return true;
}

static int image_check(const char *path, const struct rows_info *r)
{
	int64_t h = r->height, w = r->im_width, c = r->channels;

	if (!h && !w && !c) return 0;
	if (r->type != ROWS_U8)
		return fail("%s: found a picture shape on rows that are not u8", path);
	if (h < 1 || w < 1 || h > 65535 || w > 65535 || c < 1 || c > 4 || h * w * c != r->width)
		return fail("%s: found rows of %d for pictures of %dx%dx%d, "
			"expected height times width times channels", path, r->width, r->height,
			r->im_width, r->channels);
	return 0;
}

int frame_check(const char *path, const struct rows_info *r)
{
	if (!kind_ok(r->kind))
		return fail("%s: kind of rows is not a word of 1 to 15 letters", path);
	if (r->type < ROWS_U8 || r->type > ROWS_NEAR)
		return fail("%s: found rows of type %d, expected 1 to %d", path, (int)r->type,
			ROWS_NEAR);
	if (r->width < 1 || rows_bytes(r) > FRAME_MAX_ROW)
		return fail("%s: found rows of width %d, expected 1 or more and at most %d bytes",
			path, r->width, FRAME_MAX_ROW);
	if (r->count < -1) return fail("%s: found a count of %lld rows", path, (long long)r->count);
	if (!memchr(r->meta, 0, sizeof r->meta) || !meta_ok(r->meta))
		return fail("%s: meta text is not lines of name=value", path);
	return image_check(path, r);
}

size_t frame_head_put(unsigned char out[FRAME_HEAD_MAX], const struct rows_info *r)
{
	size_t meta = strlen(r->meta), bytes = padded(sizeof(struct frame_head) + meta);
	struct frame_head h = {
		.magic = FRAME_MAGIC,
		.type = r->type,
		.width = (uint32_t)r->width,
		.count = r->count,
		.from = r->from,
		.root = r->root,
		.flags = r->labelled ? FRAME_LABELLED : 0,
		.meta_bytes = (uint32_t)meta,
		.height = (uint32_t)r->height,
		.im_width = (uint32_t)r->im_width,
		.channels = (uint32_t)r->channels,
	};

	memcpy(h.kind, r->kind, sizeof h.kind);
	memcpy(out, &h, sizeof h);
	memcpy(out + sizeof h, r->meta, meta);
	memset(out + sizeof h + meta, 0, bytes - sizeof h - meta);
	return bytes;
}

int frame_head_bytes(const char *path, const struct frame_head *h)
{
	if (memcmp(h->magic, FRAME_MAGIC, 8))
		return fail("%s: not a row stream: found another magic number", path);
	if (h->meta_bytes > FRAME_MAX_META)
		return fail("%s: found %u bytes of meta text, expected at most %d", path,
			h->meta_bytes, FRAME_MAX_META);
	return (int)padded(sizeof *h + h->meta_bytes);
}

int frame_head_get(struct rows_info *r, const char *path, const unsigned char *head, size_t bytes)
{
	struct frame_head h;

	if (bytes < sizeof h) return fail("%s: ends inside its head", path);
	memcpy(&h, head, sizeof h);
	int want = frame_head_bytes(path, &h);
	if (want < 0) return -1;
	if (bytes != (size_t)want)
		return fail("%s: found a head of %zu bytes, expected %d", path, bytes, want);
	if (h.flags & ~(uint32_t)FRAME_LABELLED || h.zero)
		return fail("%s: found flags %#x of a newer version", path, h.flags);
	if (!all_zero(head + sizeof h + h.meta_bytes, bytes - sizeof h - h.meta_bytes) ||
	    memchr(head + sizeof h, 0, h.meta_bytes))
		return fail("%s: meta text and its padding are damaged", path);
	if ((h.width | h.height | h.im_width | h.channels) > INT32_MAX)
		return fail("%s: found rows of width %u, expected less than 2^31", path, h.width);
	*r = (struct rows_info){
		.type = (enum rows_type)h.type,
		.width = (int)h.width,
		.height = (int)h.height,
		.im_width = (int)h.im_width,
		.channels = (int)h.channels,
		.labelled = h.flags & FRAME_LABELLED,
		.count = h.count,
		.from = h.from,
		.root = h.root,
	};
	memcpy(r->kind, h.kind, sizeof r->kind);
	memcpy(r->meta, head + sizeof h, h.meta_bytes);
	return frame_check(path, r);
}

int frame_rows(const struct rows_info *r)
{
	size_t n = FRAME_FILL / rows_bytes(r);
	return n ? (int)n : 1;
}

static size_t data_at(const struct rows_info *r, int n)
{
	return padded(sizeof(struct frame_block) + (size_t)n * (r->labelled ? 12 : 8));
}

size_t frame_bytes(const struct rows_info *r, int n)
{
	return data_at(r, n) + padded((size_t)n * rows_bytes(r));
}

void frame_put(void *out, const struct rows_info *r, const struct block *b, uint64_t id)
{
	unsigned char *p = out;
	struct frame_block h = { .n = (uint32_t)b->n, .id = id };
	size_t n = (size_t)b->n, at = data_at(r, b->n), end = at + n * rows_bytes(r);

	memset(p + at - FRAME_ALIGN, 0, FRAME_ALIGN);
	memcpy(p, &h, sizeof h);
	memcpy(p + sizeof h, b->keys, 8 * n);
	if (r->labelled) memcpy(p + sizeof h + 8 * n, b->labels, 4 * n);
	memcpy(p + at, b->data, end - at);
	memset(p + end, 0, frame_bytes(r, b->n) - end);
}

int frame_get(struct block *b, const char *path, const struct rows_info *r, const void *frame,
	int n)
{
	const unsigned char *p = frame;
	struct frame_block h;
	size_t at = data_at(r, n), meta = sizeof h + (size_t)n * (r->labelled ? 12 : 8);
	size_t end = at + (size_t)n * rows_bytes(r);

	memcpy(&h, p, sizeof h);
	if (h.n != (uint32_t)n || h.zero)
		return fail("%s: found a block of %u rows, expected %d", path, h.n, n);
	if (!all_zero(p + meta, at - meta) || !all_zero(p + end, frame_bytes(r, n) - end))
		return fail("%s: padding of a block is not zero", path);
	*b = (struct block){ .n = n, .data = p + at };
	b->keys = (const uint64_t *)(const void *)(p + sizeof h);
	if (r->labelled) b->labels = (const uint32_t *)(const void *)(p + sizeof h + 8 * (size_t)n);
	return 0;
}

struct frame_end frame_end(int64_t total, uint64_t id)
{
	return (struct frame_end){ .id = id, .total = (uint64_t)total };
}

int frame_end_check(const char *path, const struct frame_end *e, int64_t total, uint64_t id)
{
	if (e->n || e->zero || e->zero2) return fail("%s: its end is damaged", path);
	if (e->total != (uint64_t)total)
		return fail("%s: its end counts %llu rows, found %lld", path,
			(unsigned long long)e->total, (long long)total);
	if (e->id != id)
		return fail("%s: its end has id %016llx, its rows %016llx", path,
			(unsigned long long)e->id, (unsigned long long)id);
	return 0;
}

void frame_hash(struct hash *hash, const struct rows_info *r, const struct block *b)
{
	size_t bytes = rows_bytes(r);
	const unsigned char *row = b->data;

	for (int i = 0; i < b->n; i++, row += bytes) {
		hash_add(hash, &b->keys[i], 8);
		if (r->labelled) hash_add(hash, &b->labels[i], 4);
		hash_add(hash, row, bytes);
	}
}
