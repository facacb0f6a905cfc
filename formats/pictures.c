/* pictures: rows, or a PAM stream, as a sequence of pictures. */
#include "formats/pictures.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/range.h"
#include "lib/base/say.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* 1 when a PAM or PNM stream begins here, 0 when not, -1 failed.  A pipe given by name is read as
 * stdin. */
static int sniff(const char **path)
{
	struct stat st;
	bool in = !strcmp(*path, "-");

	if (!in && stat(*path, &st)) return fail("%s:", *path);
	if (!in && S_ISDIR(st.st_mode))
		return fail("%s: found a folder, expected pictures as ic-pack makes them", *path);
	if (!in && !S_ISREG(st.st_mode)) {
		if (!freopen(*path, "rb", stdin)) return fail("%s:", *path);
		*path = "-";
		in = true;
	}
	if (in && binary_stdin()) return -1;
	FILE *f = in ? stdin : fopen(*path, "rb");
	if (!f) return fail("%s:", *path);
	int c = getc(f);
	int bad = 0;
	if (c == EOF && ferror(f))
		bad = stop_check() ? -1 : fail("%s:", in ? "standard input" : *path);
	if (in && c != EOF) ungetc(c, f);
	if (!in) fclose(f);
	if (bad) return -1;
	if (c == 0xff || c == 0x89)          /* as JPEG and PNG begin, and no rows do */
		return fail("%s: found a picture file, expected pictures as ic-pack makes them",
			in ? "standard input" : *path);
	return c == 'P';
}

/* Reads the next PAM picture ahead. */
static int pam_ahead(struct pictures *s)
{
	int got = pam_read(&s->pam, &s->head, &s->ahead);

	if (got < 0) return -1;
	s->ended = !got;
	if (s->ended) return 0;
	if (s->square && (s->head.width != s->head.height ||
		(s->side && s->head.width != s->side)))
		return fail("%s: picture %" PRId64 ": found %dx%d, expected %s", s->path,
			s->pam.read - 1, s->head.width, s->head.height,
			s->side ? "the size of the first" : "a square (ic-pack crops)");
	if (s->by_instance && !s->head.instanced)
		return fail("%s: picture %" PRId64 " names no instance, expected one for its key",
			s->path, s->pam.read - 1);
	if (s->pam.read > 1 &&
		(s->head.from != s->first.from || s->head.labelled != s->first.labelled))
		return fail("%s: picture %" PRId64 ": comes from another place than the first, "
			"or only one of them has a label", s->path, s->pam.read - 1);
	return 0;
}

static int take_range(struct pictures *s)
{
	if (!rows_is_store(&s->rows))
		return s->range ? fail("%s: found a stream, expected an image store for --rows",
				    s->path) : 0;
	if (range_parse(s->range, s->total, &s->first_row, &s->last_row)) return -1;
	s->row = s->first_row;
	s->total = s->last_row - s->first_row;
	return 0;
}

static int open_pam(struct pictures *s, const char *path)
{
	s->is_pam = true;
	if (s->range)
		return fail("%s: found a stream, expected an image store for --rows", s->path);
	if (pam_open(&s->pam, path) || pam_ahead(s)) return -1;
	if (s->ended) return fail("%s: found no pictures", s->path);
	s->first = s->head;
	s->labelled = s->head.labelled;
	if (s->square) s->side = s->head.width;
	if (s->head.of) s->total = s->head.of;
	return 0;
}

static int open_rows(struct pictures *s, const char *path)
{
	const struct rows_info *i = &s->rows.info;

	if (rows_open(&s->rows, path)) return -1;
	if (s->by_instance)
		return fail("%s: found a store or stream of rows, expected generated pictures for "
			"their instances", s->path);
	if (strcmp(i->kind, "images") || i->type != ROWS_U8 || i->channels != 3)
		return fail("%s: found rows of kind %s, expected images", s->path, i->kind);
	if (s->square && i->height != i->im_width)
		return fail("%s: found pictures of %dx%d, expected squares (ic-pack crops)",
			s->path, i->im_width, i->height);
	if (i->height == i->im_width) s->side = i->height;
	s->labelled = i->labelled;
	s->total = i->count;
	return take_range(s);
}

int pictures_open(struct pictures *s, const char *path)
{
	int pam = sniff(&path);

	s->path = strcmp(path, "-") ? path : "standard input";
	s->total = -1;
	if (pam >= 0 && !(pam ? open_pam : open_rows)(s, path)) return 0;
	pictures_close(s);
	return -1;
}

int pictures_handling(const struct pictures *s, struct rows_info *to)
{
	static const char *const name[] = { "crop", "filter", "alpha", "orient" };
	char value[256];

	for (size_t i = 0; i < LEN(name); i++)
		if (rows_meta(&s->rows.info, name[i], value, sizeof value) &&
			rows_meta_add(to, name[i], "%s", value)) return -1;
	return 0;
}

void pictures_inherit(const struct pictures *s, struct rows_info *to)
{
	const struct rows_info *i = &s->rows.info;
	const struct pam_head *h = &s->first;

	to->labelled = s->labelled;
	to->from = s->is_pam ? s->first.from : i->id;
	if (s->is_pam) to->root = h->instanced && !s->by_instance ? h->from : h->root;
	else to->root = rows_root(i);
	to->count = s->is_pam ? -1 : s->total;   /* several PAM streams may follow each other */
}

/* The next block of rows, of a store those asked for: 1, 0 at the end, -1 failed. */
static int block_next(struct pictures *s)
{
	s->at = 0;
	if (!rows_is_store(&s->rows)) return rows_next(&s->rows, &s->block);
	if (s->row == s->last_row) return 0;
	if (rows_at(&s->rows, s->row, &s->block)) return -1;
	if (s->block.n > s->last_row - s->row) s->block.n = (int)(s->last_row - s->row);
	s->row += s->block.n;
	return 1;
}

int pictures_next(struct pictures *s, uint64_t *key, uint32_t *label, struct image *m)
{
	const struct rows_info *info = &s->rows.info;

	if (s->ended) return 0;
	if (s->is_pam) {
		uint8_t *spare = m->rgb;
		*key = s->by_instance ? s->head.instance : s->head.key;
		*label = s->head.label;
		*m = (struct image){ s->head.height, s->head.width, s->ahead };
		s->ahead = spare;
		return pam_ahead(s) ? -1 : 1;
	}
	while (s->at == s->block.n) {
		int got = block_next(s);
		s->ended = !got;
		if (got <= 0) return got;
	}
	size_t bytes = (size_t)info->width;
	if (!m->rgb) *m = (struct image){ info->height, info->im_width, mem_new(bytes, 1) };
	memcpy(m->rgb, (const uint8_t *)s->block.data + (size_t)s->at * bytes, bytes);
	*key = s->block.keys[s->at];
	*label = s->block.labels ? s->block.labels[s->at] : 0;
	s->at++;
	return 1;
}

void pictures_close(struct pictures *s)
{
	rows_close(&s->rows);
	pam_close(&s->pam);
	free(s->ahead);
	*s = (struct pictures){ .ended = true };
}
