/* tar: the regular files and links of a tar archive held in memory. */
#include "formats/tar.h"
#include "lib/base/fail.h"

#include <stdio.h>
#include <string.h>

/* A header block: name 0 (100), size 124 (12), checksum 148 (8), type 156, magic 257 (6), prefix
 * 345 (155). */
enum { BLOCK = 512, NAME = 0, SIZE = 124, SUM = 148, TYPE = 156, MAGIC = 257, PREFIX = 345 };

/* What PAX and GNU headers say about the member after them. */
struct extra { char name[4096]; bool named, sized; uint64_t size; };

/* Octal text ended by a space or NUL, or big-endian base 256 when the top bit is set; false when
 * neither. */
static bool number(const uint8_t *p, size_t n, uint64_t *value)
{
	size_t i = 0;

	*value = 0;
	if (p[0] & 0x80) {
		for (i = 0; i < n; i++) {
			if (*value >> 55) return false;
			*value = *value << 8 | (i ? p[i] : p[i] & 0x7f);
		}
		return true;
	}
	while (i < n && p[i] == ' ') i++;
	for (; i < n && p[i] >= '0' && p[i] <= '7'; i++) *value = *value << 3 | (p[i] - '0');
	return i == n || p[i] == ' ' || p[i] == 0;
}

/* The checksum counts its own field as eight spaces. */
static bool sum_holds(const uint8_t *block)
{
	uint64_t said, sum = 0;

	for (int i = 0; i < BLOCK; i++) sum += i >= SUM && i < SUM + 8 ? ' ' : block[i];
	return number(block + SUM, 8, &said) && said == sum;
}

bool tar_is(const void *bytes, size_t n)
{
	return n >= BLOCK && sum_holds(bytes);
}

void tar_start(struct tar *t, const char *path, const void *bytes, size_t n)
{
	*t = (struct tar){ path, bytes, n, 0 };
}

static int cut(const struct tar *t, const char *where)
{
	return fail("%s: tar cut short %s at byte %zu", t->path, where, t->n);
}

static bool is_zero(const uint8_t *block)
{
	for (int i = 0; i < BLOCK; i++)
		if (block[i]) return false;
	return true;
}

/* PAX records are "LENGTH KEY=VALUE\n", LENGTH counting the whole record. */
static int pax(const struct tar *t, const uint8_t *p, size_t n, struct extra *extra)
{
	while (n) {
		size_t length = 0, at = 0;
		for (; at < n && at < 8 && p[at] >= '0' && p[at] <= '9'; at++)
			length = length * 10 + (p[at] - '0');
		if (at >= n || p[at] != ' ' || length <= at + 1 || length > n ||
		    p[length - 1] != '\n')
			return fail("%s: damaged PAX header before byte %zu", t->path, t->at);
		const char *text = (const char *)p + at + 1;
		size_t left = length - at - 2;
		if (left > 5 && !memcmp(text, "path=", 5)) {
			if (left - 5 >= sizeof extra->name)
				return fail("%s: member name of %zu bytes", t->path, left - 5);
			memcpy(extra->name, text + 5, left - 5);
			extra->name[left - 5] = 0;
			extra->named = true;
		} else if (left > 5 && !memcmp(text, "size=", 5)) {
			extra->size = 0;
			for (size_t i = 5; i < left; i++) {
				if (text[i] < '0' || text[i] > '9' || extra->size > UINT64_MAX / 16)
					return fail("%s: damaged size in a PAX header", t->path);
				extra->size = extra->size * 10 + (uint64_t)(text[i] - '0');
			}
			extra->sized = true;
		}
		p += length, n -= length;
	}
	return 0;
}

static int gnu_name(const struct tar *t, const uint8_t *p, size_t n, struct extra *extra)
{
	if (n >= sizeof extra->name) return fail("%s: member name of %zu bytes", t->path, n);
	memcpy(extra->name, p, n);
	extra->name[n] = 0;
	extra->named = true;
	return 0;
}

static void member_name(const uint8_t *block, const struct extra *extra, struct tar_member *m)
{
	bool prefixed = !memcmp(block + MAGIC, "ustar\0", 6) && block[PREFIX];

	if (extra->named)
		memcpy(m->name, extra->name, sizeof m->name);
	else
		snprintf(m->name, sizeof m->name, "%.155s%s%.100s",
			 prefixed ? (const char *)block + PREFIX : "", prefixed ? "/" : "",
			 (const char *)block + NAME);
}

/* The header at t->at and the place of its data; moves behind the data.  1 a header, 0 the end
 * mark, -1 failed. */
static int header(struct tar *t, const struct extra *extra, const uint8_t **data, uint64_t *size)
{
	const uint8_t *block = t->bytes + t->at;

	if (t->n - t->at < BLOCK) return cut(t, "in a header");
	if (is_zero(block)) {
		if (t->n - t->at < 2 * BLOCK) return cut(t, "in its end mark");
		return is_zero(block + BLOCK)
			       ? 0
			       : fail("%s: damaged tar end mark at byte %zu", t->path, t->at);
	}
	if (!sum_holds(block) || !number(block + SIZE, 12, size))
		return fail("%s: damaged tar header at byte %zu", t->path, t->at);
	if (extra->sized) *size = extra->size;
	t->at += BLOCK;
	if (*size > t->n - t->at) return cut(t, "in a member");
	*data = t->bytes + t->at;
	size_t padded = ((size_t)*size + BLOCK - 1) / BLOCK * BLOCK;
	if (padded > t->n - t->at) return cut(t, "after a member");
	t->at += padded;
	return 1;
}

int tar_next(struct tar *t, struct tar_member *m)
{
	struct extra extra = { 0 };
	const uint8_t *data = NULL;
	uint64_t size = 0;

	for (;;) {
		const uint8_t *block = t->bytes + t->at;
		int got = header(t, &extra, &data, &size);
		if (got <= 0) return got;
		switch (block[TYPE]) {
		case 'x':
			if (pax(t, data, (size_t)size, &extra)) return -1;
			continue;
		case 'L':
			if (gnu_name(t, data, (size_t)size, &extra)) return -1;
			continue;
		case 'K': case 'g':                  /* a link's target; defaults for all members */
			continue;
		case 'S':
			return fail("%s: found a sparse member, expected plain ones", t->path);
		case 0: case '0': case '1': case '2': case '7':
			member_name(block, &extra, m);
			m->link = block[TYPE] == '1' || block[TYPE] == '2';
			m->bytes = data;
			m->size = m->link ? 0 : (size_t)size;
			return 1;
		}
		extra = (struct extra){ 0 };
	}
}
