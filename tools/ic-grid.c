/* ic-grid: PAM streams -> one PNG sheet. */
#include "formats/pam.h"
#include "formats/part.h"
#include "formats/sheet.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/opt.h"
#include "lib/base/say.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_PX = 64, RULE_GREY = 160 };

static const char *out = "-", *titles;
static int columns, rows, scale, gap = 2;
static bool labels;

static const struct opt opts[] = {
	{ 'o', "output", "FILE", "PNG file to write; - is stdout", OPT_OUT, &out, 0, 0 },
	{ 'c', "columns", "N", "pictures of each stream in a row (0: see the page)", OPT_INT,
	  &columns, 0, 10000 },
	{ 'r', "rows", "N", "at most N rows (0: all)", OPT_INT, &rows, 0, 1000000 },
	{ 0, "scale", "N", "zoom of the pictures (0: cells of 64 pixels or more)", OPT_INT, &scale,
	  0, 64 },
	{ 0, "gap", "N", "pixels between pictures", OPT_INT, &gap, 0, 256 },
	{ 0, "titles", "A,B..", "a title above each stream's columns", OPT_STR, &titles, 0, 0 },
	{ 0, "labels", NULL, "each picture's label below it", OPT_FLAG, &labels, 0, 0 },
	OPT_COMMON,
};

struct cell { struct image image; uint64_t label; };

/* One operand: a stream that takes `columns` places of every row. */
struct group { char *path, *title; int columns, rows, x; int64_t n; struct cell *cell; };

struct grid {
	int n;                               /* groups */
	struct group *group;
	int64_t pixels, pictures;            /* read so far */
	int height, width;                   /* of the largest picture, zoomed */
	int rows, top, line;                 /* pixels above the first row, and from row to row */
};

/* "FILE" or "FILE:N". */
static struct group operand(const char *text)
{
	const char *colon = strrchr(text, ':'), *digits = colon ? colon + 1 : "";
	struct group g = { .columns = columns };

	if (!*digits || strspn(digits, "0123456789") != strlen(digits)) {
		g.path = mem_text("%s", text);
		return g;
	}
	g.columns = strlen(digits) < 6 ? atoi(digits) : 0;
	if (g.columns < 1 || g.columns > 10000)
		misuse("%s: expected a number of columns from 1 to 10000", text);
	if (colon == text) misuse("%s: expected a file before the colon", text);
	g.path = mem_text("%.*s", (int)(colon - text), text);
	return g;
}

static int add_picture(struct grid *g, struct group *u, const struct pam_head *head,
		       uint8_t *pixels)
{
	size_t bytes = (size_t)head->height * (size_t)head->width * 3;

	g->pixels += (int64_t)head->height * head->width;
	g->pictures++;
	if (g->pixels > IMAGE_MAX_PIXELS)
		return fail(
			"%s: found more than %d pixels for one sheet, expected fewer (see --rows)",
			u->path, IMAGE_MAX_PIXELS);
	if (!(u->n & (u->n - 1)))                    /* 0, 1, 2, 4, 8 ...: double */
		u->cell = mem_grow(u->cell, u->n ? 2 * (size_t)u->n : 1, sizeof *u->cell);
	struct cell *c = &u->cell[u->n++];
	*c = (struct cell){ { head->height, head->width, mem_new(bytes, 1) },
			    head->labelled ? head->label : (uint64_t)head->seen };
	memcpy(c->image.rgb, pixels, bytes);
	if (head->height > g->height) g->height = head->height;
	if (head->width > g->width) g->width = head->width;
	return labels && !head->labelled && !head->in_training
		       ? fail("%s: picture %" PRId64 " has no label", u->path, u->n - 1)
		       : 0;
}

static int read_group(struct grid *g, struct group *u)
{
	int64_t limit = rows && u->columns ? (int64_t)rows * u->columns : INT64_MAX;
	struct pam_head head;
	struct pam pam;
	uint8_t *pixels = NULL;
	int got = 1;

	if (pam_open(&pam, u->path)) return -1;
	while (u->n < limit && (got = pam_read(&pam, &head, &pixels)) > 0) {
		if ((got = stop_check()) || (got = add_picture(g, u, &head, pixels))) break;
	}
	if (got >= 0 && !u->n) got = fail("%s: found no pictures", pam.path);
	free(pixels);
	pam_close(&pam);
	return got < 0 ? -1 : 0;
}

/* Columns not asked for: with --rows, as many as that needs; else the sheet as square as can be. */
static int square(int64_t n)
{
	int64_t c = 1;

	if (rows) return (int)((n + rows - 1) / rows);
	while (c * c < n) c++;
	return (int)c;
}

/* The last row of a single stream may be short; streams side by side must agree. */
static int count_rows(struct grid *g)
{
	for (int i = 0; i < g->n; i++) {
		struct group *u = &g->group[i];
		if (!u->columns) u->columns = g->n > 1 ? 1 : square(u->n);
		u->rows = (int)((u->n + u->columns - 1) / u->columns);
		if (g->n > 1 && u->n % u->columns)
			return fail("%s: found %" PRId64 " pictures, expected a multiple of %d",
				    u->path, u->n, u->columns);
		if (u->rows != g->group[0].rows)
			return fail("%s: found %d rows of %d, expected %d rows as in %s", u->path,
				    u->rows, u->columns, g->group[0].rows, g->group[0].path);
	}
	g->rows = g->group[0].rows;
	return 0;
}

static int split_titles(struct grid *g)
{
	const char *t = titles;

	for (int i = 0; i < g->n && t; i++) {
		size_t length = strcspn(t, ",");
		g->group[i].title = mem_text("%.*s", (int)length, t);
		t = t[length] ? t + length + 1 : i == g->n - 1 ? NULL : "";
	}
	return t ? fail("found more titles than streams (%d)", g->n) : 0;
}

static int64_t group_width(const struct grid *g, const struct group *u)
{
	return (int64_t)u->columns * (g->width + gap) - gap;
}

/* Titles are drawn twice as large when all of them fit so. */
static int title_zoom(const struct grid *g)
{
	int zoom = 2;

	for (int i = 0; i < g->n; i++) {
		const struct group *u = &g->group[i];
		int64_t room = group_width(g, u), wanted = (int64_t)strlen(u->title) * SHEET_LETTER;
		if (wanted > room)
			return fail("title '%s' needs %" PRId64
				    " pixels, its columns have %" PRId64,
				    u->title, wanted, room);
		if (2 * wanted > room) zoom = 1;
	}
	return zoom;
}

static void draw_group(const struct grid *g, struct sheet *s, const struct group *u)
{
	for (int64_t i = 0; i < u->n; i++) {
		const struct cell *c = &u->cell[i];
		int y = g->top + (int)(i / u->columns) * g->line;
		int x = u->x + (int)(i % u->columns) * (g->width + gap);
		char text[24];
		sheet_picture(s, y, x, g->height, g->width, &c->image);
		snprintf(text, sizeof text, "%" PRIu64, c->label);
		if (labels) sheet_text(s, y + g->height + 1, x, 1, text);
	}
}

/* Streams stand 4 gaps apart with a grey rule half way; one gap is left free all around. */
static int draw(struct grid *g, struct sheet *s)
{
	int zoom = titles ? title_zoom(g) : 0, between = 4 * gap + 1;
	int64_t width = gap;

	if (zoom < 0) return -1;
	for (int i = 0; i < g->n; i++) {
		g->group[i].x = (int)width;
		width += group_width(g, &g->group[i]) + (i < g->n - 1 ? between : gap);
		if (width > IMAGE_MAX_PIXELS) break;         /* sheet_new refuses it */
	}
	g->top = gap + (titles ? zoom * SHEET_LINE + 3 : 0);
	g->line = g->height + gap + (labels ? SHEET_LINE + 2 : 0);
	if (sheet_new(s, g->top + (int64_t)g->rows * g->line, width)) return -1;
	for (int i = 0; i < g->n; i++) {
		const struct group *u = &g->group[i];
		if (i) sheet_rule(s, gap, u->x - 2 * gap - 1, s->height - 2 * gap, 1, RULE_GREY);
		if (titles) sheet_text(s, gap, u->x, zoom, u->title);
		draw_group(g, s, u);
	}
	return 0;
}

static int zoom_cells(struct grid *g)
{
	int largest = g->height > g->width ? g->height : g->width;

	if (!scale) scale = largest >= CELL_PX ? 1 : (CELL_PX + largest - 1) / largest;
	if ((int64_t)g->height * scale > IMAGE_MAX_PIXELS ||
	    (int64_t)g->width * scale > IMAGE_MAX_PIXELS)
		return fail("pictures of %d x %d times %d: too large for a sheet", g->width,
			    g->height, scale);
	g->height *= scale;
	g->width *= scale;
	return 0;
}

static int grid(struct grid *g, struct sheet *s)
{
	if (strcmp(out, "-") ? part_check(out, common.force) : binary_stdout()) return -1;
	if (titles && split_titles(g)) return -1;
	for (int i = 0; i < g->n; i++)
		if (read_group(g, &g->group[i])) return -1;
	if (count_rows(g) || zoom_cells(g) || draw(g, s)) return -1;
	return image_write_png(out, s->rgb, s->height, s->width);
}

static void report(const struct grid *g, const struct sheet *s)
{
	if (!strcmp(out, "-")) return;
	struct record r = record_begin(stdout);
	record_text(&r, "sheet", out);
	record_int(&r, "rows", g->rows);
	record_int(&r, "pictures", g->pictures);
	record_int(&r, "width", s->width);
	record_int(&r, "height", s->height);
	record_end(&r);
}

static void end(struct grid *g, struct sheet *s)
{
	for (int i = 0; i < g->n; i++) {
		struct group *u = &g->group[i];
		for (int64_t c = 0; c < u->n; c++) free(u->cell[c].image.rgb);
		free(u->cell);
		free(u->path);
		free(u->title);
	}
	free(g->group);
	free(s->rgb);
}

int main(int argc, char **argv)
{
	int first = opt_parse(argc, argv, "[PAM[:N]...]", "PAM streams to one PNG sheet", opts,
			      LEN(opts)),
	    standard = 0;
	struct grid g = { .n = first < argc ? argc - first : 1 };
	struct sheet s = { 0 };

	g.group = mem_new((size_t)g.n, sizeof *g.group);
	for (int i = 0; i < g.n; i++) {
		g.group[i] = operand(first < argc ? argv[first + i] : "-");
		standard += !strcmp(g.group[i].path, "-");
	}
	if (standard > 1) misuse("standard input can be read once");
	int bad = grid(&g, &s);
	int64_t pictures = g.pictures;
	if (!bad) report(&g, &s);
	end(&g, &s);
	if (bad) die();
	return done(pictures, "pictures");
}
