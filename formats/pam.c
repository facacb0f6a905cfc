/* pam: PNM and PAM pictures, from a stream with our comments (ic-image(5)) and from memory. */
#include "formats/pam.h"
#include "formats/image.h"
#include "formats/known.h"
#include "lib/base/fail.h"
#include "lib/base/say.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LINE = 1024, FIRST_READ = 1 << 20 };

/* Bytes come from a file or from memory; comments go to ic when there is one. */
struct source {
	FILE *f;
	int64_t picture;                     /* its number, for messages */
	const unsigned char *p, *end;
	const char *name;
	struct pam_head *ic;
};

struct shape { int format, width, height, depth, maxval; };   /* format: the digit after P */

static int next(struct source *s)
{
	if (s->f) return getc(s->f);
	return s->p < s->end ? *s->p++ : EOF;
}

static int cut(const struct source *s)
{
	if (s->f && stop_check()) return -1;         /* a signal ended the read */
	if (s->f && ferror(s->f)) return fail("%s:", s->name);
	return fail("%s: ends inside picture %" PRId64, s->name, s->picture);
}

/* Digits and nothing else; false when they do not fit. */
static bool number(const char *text, uint64_t base, uint64_t max, uint64_t *out)
{
	uint64_t n = 0, digit;

	if (!*text) return false;
	for (; *text; text++) {
		if (*text >= '0' && *text <= '9') digit = (uint64_t)(*text - '0');
		else if (*text >= 'a' && *text <= 'f') digit = (uint64_t)(*text - 'a') + 10;
		else return false;
		if (digit >= base || digit > max || n > (max - digit) / base) return false;
		n = n * base + digit;
	}
	*out = n;
	return true;
}

/* One "name=value" of an ic comment; names that are not known are passed over, for newer
 * writers. */
static bool ic_field(struct pam_head *h, char *name)
{
	char *value = strchr(name, '=');
	uint64_t n;

	if (!value) return false;
	*value++ = 0;
	if (!strcmp(name, "key")) return number(value, 10, UINT64_MAX, &h->key);
	if (!strcmp(name, "from")) return number(value, 16, UINT64_MAX, &h->from);
	if (!strcmp(name, "root")) return number(value, 16, UINT64_MAX, &h->root);
	if (!strcmp(name, "instance"))
		return h->instanced = number(value, 10, UINT64_MAX, &h->instance);
	if (!strcmp(name, "label")) {
		h->labelled = number(value, 10, UINT32_MAX, &n);
		if (h->labelled) h->label = (uint32_t)n;
		return h->labelled;
	}
	if (!strcmp(name, "at"))
		return number(value, 10, INT64_MAX, &n) ? h->at = (int64_t)n, true : false;
	if (!strcmp(name, "of"))
		return number(value, 10, INT64_MAX, &n) ? h->of = (int64_t)n, true : false;
	if (!strcmp(name, "seen")) {
		h->in_training = number(value, 10, INT64_MAX, &n);
		if (h->in_training) h->seen = (int64_t)n;
		return h->in_training;
	}
	if (strcmp(name, "seed")) return true;
	if (!number(value, 10, UINT64_MAX, &n)) return false;
	snprintf(h->seed, sizeof h->seed, "%" PRIu64, n);
	return true;
}

/* The rest of a comment's line, after '#'. */
static int comment(struct source *s)
{
	char text[LINE], *save;
	int c, n = 0;

	while ((c = next(s)) != '\n') {
		if (c == EOF) return cut(s);
		if (n < LINE - 1) text[n++] = (char)c;
	}
	text[n] = 0;
	if (!s->ic || strncmp(text, " ic ", 4)) return 0;
	if (n == LINE - 1 || strlen(text) != (size_t)n)
		return fail("%s: found an ic comment that is too long", s->name);
	for (char *t = strtok_r(text + 4, " \t\r", &save); t; t = strtok_r(NULL, " \t\r", &save))
		if (!ic_field(s->ic, t))
			return fail("%s: cannot read '%s' in an ic comment", s->name, t);
	return 0;
}

/* A decimal number after white space and comments, and the one white-space character that ends
 * it. */
static int head_number(struct source *s, int max, int *out)
{
	char text[12];
	int c, n = 0;
	uint64_t value;

	while ((c = next(s)) == '#' || isspace(c))
		if (c == '#' && comment(s)) return -1;
	for (; c != EOF && !isspace(c) && c != '#' && n < 11; c = next(s)) text[n++] = (char)c;
	text[n] = 0;
	if (c == EOF && !n) return cut(s);
	if (!number(text, 10, (uint64_t)max, &value))
		return fail("%s: found '%s' in a picture's head, expected a number up to %d",
			s->name, text, max);
	*out = (int)value;
	return c == '#' ? comment(s) : 0;
}

static int depth_of(const char *type)
{
	static const char *const types[] = { "GRAYSCALE", "GRAYSCALE_ALPHA", "RGB", "RGB_ALPHA" };

	for (int i = 0; i < 4; i++) if (!strcmp(type, types[i])) return i + 1;
	return 0;
}

/* One line of a P7 head: "NAME value". */
static int pam_field(struct source *s, struct shape *h, char *line, int *type_depth)
{
	static const struct { const char *name; size_t at; int max; } fields[] = {
		{ "WIDTH", offsetof(struct shape, width), IMAGE_MAX_SIDE },
		{ "HEIGHT", offsetof(struct shape, height), IMAGE_MAX_SIDE },
		{ "DEPTH", offsetof(struct shape, depth), 4 },
		{ "MAXVAL", offsetof(struct shape, maxval), 65535 },
	};
	char *value = line + strcspn(line, " \t");
	uint64_t n;

	if (*value) *value++ = 0;
	value += strspn(value, " \t");
	if (!strcmp(line, "TUPLTYPE"))
		return (*type_depth = depth_of(value)) ? 0 : fail("%s: found TUPLTYPE %s, "
			"expected GRAYSCALE, RGB or one of these with _ALPHA", s->name, value);
	for (size_t i = 0; i < LEN(fields); i++) {
		if (strcmp(line, fields[i].name)) continue;
		if (!number(value, 10, (uint64_t)fields[i].max, &n))
			return fail("%s: found %s '%s' in a picture's head, "
				"expected a number up to %d", s->name, line, value, fields[i].max);
		*(int *)(void *)((char *)h + fields[i].at) = (int)n;
		return 0;
	}
	return fail("%s: found '%s' in a picture's head, "
		"expected WIDTH, HEIGHT, DEPTH, MAXVAL, TUPLTYPE or ENDHDR", s->name, line);
}

/* The lines of a P7 head after its magic. */
static int pam_lines(struct source *s, struct shape *h)
{
	char line[LINE];
	int c, type_depth = 0;

	for (;;) {
		int n = 0;
		if ((c = next(s)) == '#') {
			if (comment(s)) return -1;
			continue;
		}
		for (; c != '\n' && n < LINE - 1; c = next(s)) {
			if (c == EOF) return cut(s);
			line[n++] = (char)c;
		}
		while (n && isspace((unsigned char)line[n - 1])) n--;
		line[n] = 0;
		if (!strcmp(line, "ENDHDR")) break;
		if (*line && pam_field(s, h, line, &type_depth)) return -1;
	}
	if (type_depth && type_depth != h->depth)
		return fail("%s: found a picture of depth %d, expected %d for its TUPLTYPE",
			s->name, h->depth, type_depth);
	return 0;
}

/* From after the 'P' up to the first byte of pixels. */
static int head_read(struct source *s, struct shape *h)
{
	int c = next(s);

	*h = (struct shape){ .format = c - '0' };
	if (c != '2' && c != '3' && c != '5' && c != '6' && c != '7')
		return c == EOF ? cut(s) : fail("%s: found P%c, "
			"expected a PNM or PAM picture (P2, P3, P5, P6, P7)", s->name,
			isprint(c) ? c : '?');
	if (c == '7') {
		if ((c = next(s)) != '\n')
			return c == EOF ? cut(s) : fail("%s: found no line end after P7", s->name);
		if (pam_lines(s, h)) return -1;
	} else {
		if (head_number(s, IMAGE_MAX_SIDE, &h->width) ||
			head_number(s, IMAGE_MAX_SIDE, &h->height) ||
			head_number(s, 65535, &h->maxval))
			return -1;
		h->depth = h->format % 3 ? 1 : 3;
	}
	if (h->width < 1 || h->height < 1 || h->depth < 1 || h->maxval < 1)
		return fail("%s: found a picture of %dx%d, depth %d, maxval %d, "
			"expected 1 or more of each", s->name, h->width, h->height, h->depth,
			h->maxval);
	if ((int64_t)h->width * h->height > IMAGE_MAX_PIXELS)
		return fail("%s: found a picture of %dx%d, expected at most %d pixels", s->name,
			h->width, h->height, IMAGE_MAX_PIXELS);
	return 0;
}

/* n pixels of depth channels to RGB, in place; p has room for both.  Grey is replicated, alpha
 * dropped. */
static void to_rgb(uint8_t *p, size_t n, int depth)
{
	size_t d = (size_t)depth;

	if (depth < 3)
		for (size_t i = n; i-- > 0; ) {
			uint8_t grey = p[i * d];
			p[3 * i] = p[3 * i + 1] = p[3 * i + 2] = grey;
		}
	else if (depth == 4)
		for (size_t i = 0; i < n; i++) memmove(p + 3 * i, p + 4 * i, 3);
}

/* Memory grows as bytes come: a head alone does not get it. */
static int pixels_read(struct source *s, const struct shape *h, uint8_t **pixels)
{
	size_t n = (size_t)h->width * (size_t)h->height, d = (size_t)h->depth;
	size_t want = n * d, have = 0;
	size_t need = n * (d > 3 ? d : 3), room = need < FIRST_READ ? need : FIRST_READ;

	for (;;) {
		uint8_t *bigger = realloc(*pixels, room);
		if (!bigger) return fail("%s: no memory for a picture of %zu bytes", s->name, room);
		*pixels = bigger;
		size_t part = (room < want ? room : want) - have;
		if (fread(bigger + have, 1, part, s->f) != part) return cut(s);
		have += part;
		if (have == want && room == need) break;
		room = room < need / 2 ? 2 * room : need;
	}
	to_rgb(*pixels, n, h->depth);
	return 0;
}

int pam_open(struct pam *p, const char *path)
{
	bool in = !strcmp(path, "-");

	*p = (struct pam){ .path = in ? "standard input" : path };
	if (in && binary_stdin()) return -1;
	p->f = in ? stdin : fopen(path, "rb");
	if (!p->f) return fail("%s:", path);
	struct stat st;
	if (in || fstat(fileno(p->f), &st) || !S_ISDIR(st.st_mode)) return 0;
	pam_close(p);
	return fail("%s: found a folder, expected a PAM stream", path);
}

void pam_close(struct pam *p)
{
	if (p->f && p->f != stdin) fclose(p->f);
	*p = (struct pam){ 0 };
}

/* Pictures of a series come as 0 to of-1; after the last one the next series begins, or there is
 * no more. */
static int series_check(struct pam *p, const struct pam_head *h)
{
	bool inside = p->of && p->at + 1 < p->of;
	int64_t want = inside ? p->at + 1 : 0;

	if (!h->of && (h->at || inside))
		return fail("%s: picture %" PRId64 " does not say which of how many it is", p->path,
			p->read);
	if (h->of && (h->at != want || h->at >= h->of || (inside && h->of != p->of)))
		return fail("%s: found picture %" PRId64 " of %" PRId64 ", expected picture %"
			PRId64 ": some are missing", p->path, h->at, h->of, want);
	p->at = h->at;
	p->of = h->of;
	return 0;
}

static int series_end(const struct pam *p)
{
	if (stop_check()) return -1;
	if (ferror(p->f)) return fail("%s:", p->path);
	if (p->of && p->at + 1 < p->of)
		return fail("%s: ends after picture %" PRId64 " of %" PRId64 ": the program "
			"that wrote it did not finish", p->path, p->at, p->of);
	return 0;
}

static int other_bytes(struct pam *p, int c)
{
	unsigned char first[KNOWN_BYTES] = { (unsigned char)c };
	size_t n = 1 + fread(first + 1, 1, sizeof first - 1, p->f);

	return fail("%s: found %s where picture %" PRId64 " of a PAM stream should begin", p->path,
		known_as(first, n), p->read);
}

int pam_read(struct pam *p, struct pam_head *head, uint8_t **pixels)
{
	struct source s = { .f = p->f, .picture = p->read, .name = p->path, .ic = head };
	struct shape h;
	int c = getc(p->f);

	*head = (struct pam_head){ .key = (uint64_t)p->read };
	if (c == EOF) return series_end(p);
	if (c != 'P') return other_bytes(p, c);
	if (head_read(&s, &h)) return -1;
	if (h.format < 5 || h.maxval != 255)
		return fail("%s: found P%d with maxval %d, expected P5, P6 or P7 with maxval 255 "
			"in a stream", p->path, h.format, h.maxval);
	if (series_check(p, head) || pixels_read(&s, &h, pixels)) return -1;
	head->width = h.width;
	head->height = h.height;
	head->channels = 3;
	p->read++;
	return 1;
}

int pam_write(FILE *f, const char *name, const struct pam_head *h, const uint8_t *pixels)
{
	size_t bytes = (size_t)h->width * (size_t)h->height * 3;

	fprintf(f, "P7\n# ic key=%" PRIu64, h->key);
	if (h->labelled) fprintf(f, " label=%" PRIu32, h->label);
	if (h->of) fprintf(f, " at=%" PRId64 " of=%" PRId64, h->at, h->of);
	if (h->from) fprintf(f, " from=%016" PRIx64, h->from);
	if (h->root) fprintf(f, " root=%016" PRIx64, h->root);
	if (h->instanced) fprintf(f, " instance=%" PRIu64, h->instance);
	if (h->in_training) fprintf(f, " seen=%" PRId64, h->seen);
	if (*h->seed) fprintf(f, " seed=%s", h->seed);
	fprintf(f, "\nWIDTH %d\nHEIGHT %d\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n", h->width,
		h->height);
	return fwrite(pixels, 1, bytes, f) == bytes && !ferror(f) ? 0 : write_failed(name);
}

/* Sample i of the picture as the file has it; -1 after fail(). */
static int sample(struct source *s, const struct shape *h)
{
	int v;

	if (h->format < 5) return head_number(s, h->maxval, &v) ? -1 : v;
	v = next(s);
	return h->maxval > 255 ? v << 8 | next(s) : v;
}

/* To 8 bits as Pillow does it: round half to even of v / maxval * 255. */
static uint8_t to_byte(int v, int maxval)
{
	if (v >= maxval) return 255;
	return maxval == 255 ? (uint8_t)v : (uint8_t)lrint((double)v / maxval * 255);
}

/* Whether a second picture follows.  What else is behind one is passed over, as Pillow does. */
static bool another(const struct source *s)
{
	const unsigned char *p = s->p;

	while (p < s->end && isspace(*p)) p++;
	return s->end - p > 2 && p[0] == 'P' && p[1] >= '1' && p[1] <= '7' && isspace(p[2]);
}

bool image_pnm_scaled(const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	struct source s = { .p = p + 1, .end = p + n, .name = "" };
	struct shape h;

	return !head_read(&s, &h) && h.maxval != 255;
}

int image_decode_pnm(struct image *out, const char *name, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	struct source s = { .p = p + (n > 0), .end = p + n, .name = name };
	struct shape h;

	*out = (struct image){ 0 };
	if (!n || *p != 'P')
		return fail("%s: found other bytes, expected a PNM or PAM picture", name);
	if (head_read(&s, &h)) return -1;
	size_t pixels = (size_t)h.width * (size_t)h.height, samples = pixels * (size_t)h.depth;
	size_t least = h.format < 5 ? 2 * samples - 1 : h.maxval > 255 ? 2 * samples : samples;
	if ((size_t)(s.end - s.p) < least)
		return fail("%s: found %zu bytes of pixels, expected %zu", name,
			(size_t)(s.end - s.p), least);
	uint8_t *rgb = malloc(pixels * (h.depth > 3 ? 4 : 3));
	if (!rgb) return fail("%s: no memory for %zu pixels", name, pixels);
	for (size_t i = 0; i < samples; i++) {
		int v = sample(&s, &h);
		if (v < 0) {
			free(rgb);
			return -1;
		}
		rgb[i] = to_byte(v, h.maxval);
	}
	if (another(&s)) {
		free(rgb);
		return fail("%s: found a second picture behind the first, expected one: a stream "
			"of several is a source by itself", name);
	}
	to_rgb(rgb, pixels, h.depth);
	*out = (struct image){ h.height, h.width, rgb };
	return 0;
}
