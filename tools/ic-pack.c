/* ic-pack: pictures of any source -> image rows of one size, or a stream of them as they are. */
#include "formats/pam.h"
#include "formats/part.h"
#include "formats/rows.h"
#include "formats/sources.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/opt.h"
#include "lib/base/par.h"
#include "lib/base/say.h"
#include "lib/stat/resize.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* pictures decoded side by side, then written in order; of those written as they are, fewer */
enum { BATCH = 256, BATCH_WHOLE = 16 };

static const char *out, *list, *labels;
static int size = 64, alpha = -1;
static int64_t most;
static bool squash, strict, orient;

static const struct opt opts[] = {
	{ 'o', "output", "FILE", "store to write; without it a row stream on stdout", OPT_OUT,
		&out, 0, 0 },
	{ 0, "size", "N", "side of the packed pictures in pixels (0: as they are, a PAM stream)",
		OPT_INT, &size, 0, 4096 },
	{ 'n', "pictures", "N", "at most N pictures, evenly spread over the sources (0: all)",
		OPT_LONG, &most, 0, 1e15 },
	{ 0, "squash", NULL, "resize the whole picture, no centre crop", OPT_FLAG, &squash, 0, 0 },
	{ 0, "alpha", "N", "grey level under transparent pixels (-1: drop alpha; fonts: 255)",
		OPT_INT, &alpha, -1, 255 },
	{ 0, "orient", NULL, "turn pictures as their EXIF orientation says", OPT_FLAG,
		&orient, 0, 0 },
	{ 0, "labels", "FILE", "IDX file with the labels of an IDX source", OPT_STR,
		&labels, 0, 0 },
	{ 0, "list", "FILE", "file of lines PATH or PATH<tab>LABEL", OPT_STR, &list, 0, 0 },
	{ 0, "strict", NULL, "fail at the first picture that cannot be read", OPT_FLAG,
		&strict, 0, 0 },
	OPT_COMMON
};

/* The pictures passed over, kept beside an unfinished store as lines of their numbers: with the
 * rows already there they tell where to go on. */
struct skips { char *path; FILE *f; int64_t n, first; };     /* first: number not passed over */

struct pack {
	struct sources from;
	struct rows to;
	struct skips skips;
	/* writing a store, which can be resumed, and not a stream */
	bool store;
	int64_t total, done, rows;           /* pictures chosen, dealt with, written */
	uint8_t *pixels;                     /* [BATCH][size][size][3] */
	struct image whole[BATCH_WHOLE];     /* instead, with --size 0 */
	char *reason[BATCH];                 /* why a picture of the batch is bad, or NULL */
	bool fatal[BATCH];                   /* it is not: the machine lacks memory or files */
};

/* Chosen picture i: all of them, or `total` at even distances. */
static int64_t chosen(const struct pack *p, int64_t i)
{
	return (int64_t)((__int128)i * p->from.n / p->total);
}

/* Moves the centred square of the short side to the front of the pixels. */
static void crop(struct image *m)
{
	int top, left, side;

	crop_square(m->height, m->width, &top, &left, &side);
	size_t stride = (size_t)m->width * 3, row = (size_t)side * 3;
	const uint8_t *from = m->rgb + (size_t)top * stride + (size_t)left * 3;
	for (int y = 0; y < side; y++)
		memmove(m->rgb + (size_t)y * row, from + (size_t)y * stride, row);
	m->height = m->width = side;
}

static void pack_one(void *context, int64_t i, int worker)
{
	struct pack *p = context;
	struct image m;
	(void)worker;

	p->reason[i] = NULL;
	errno = 0;
	if (sources_decode(&p->from, chosen(p, p->done + i), &m, alpha, orient)) {
		p->fatal[i] = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
		p->reason[i] = mem_text("%s", why());
		return;
	}
	if (!size) {
		p->whole[i] = m;
		return;
	}
	if (!squash) crop(&m);
	uint8_t *to = p->pixels + (size_t)i * (size_t)size * (size_t)size * 3;
	resize_u8(m.rgb, m.height, m.width, to, size, size, 3, FILTER_TRIANGLE);
	free(m.rgb);
}

/* On disk before any row behind the picture is: rows and skips never disagree. */
static int skips_add(struct skips *k, int64_t number)
{
	k->n++;
	if (!k->f) return 0;
	fprintf(k->f, "%" PRId64 "\n", number);
	return fflush(k->f) || fsync(fileno(k->f)) ? fail("%s:", k->path) : 0;
}

/* With `rows` pictures accepted before the interruption, *next is the smallest number to go on
 * with: `rows` and one more for each skipped picture before it. */
static int skips_open(struct skips *k, int64_t rows, int64_t *next)
{
	long long number;
	char end;
	long keep = 0;

	*next = rows;
	if (!k->path) return 0;
	k->f = fopen(k->path, rows ? "r+" : "w+");
	if (!k->f)
		return fail(errno == ENOENT ? "%s: remove the .part file to begin again:" : "%s:",
			k->path);
	while (fscanf(k->f, "%lld%c", &number, &end) == 2 && end == '\n' && number < *next) {
		k->first += number == k->first;
		++*next;
		k->n++;
		keep = ftell(k->f);
	}
	return ftruncate(fileno(k->f), keep) || fseek(k->f, keep, SEEK_SET) ? fail("%s:", k->path)
									    : 0;
}

/* Picture i of the batch, with the next key.  Only --strict knows beforehand how many will come. */
static int write_one(struct pack *p, int i, const struct source_entry *e)
{
	size_t bytes = (size_t)size * (size_t)size * 3;
	uint64_t key = (uint64_t)p->rows++;

	if (size) return rows_put(&p->to, key, e->label, p->pixels + (size_t)i * bytes);
	struct image *m = &p->whole[i];
	struct pam_head h = {
		.width = m->width, .height = m->height, .channels = 3, .key = key,
		.labelled = p->from.labels != LABELS_NONE, .label = e->label,
		.at = (int64_t)key, .of = strict ? p->total : 0,
	};
	int bad = pam_write(stdout, "standard output", &h, m->rgb);
	free(m->rgb);
	return bad;
}

static int write_batch(struct pack *p, int n)
{
	int bad = 0;

	for (int i = 0; i < n && !bad; i++) {
		const struct source_entry *e = &p->from.entry[chosen(p, p->done + i)];
		if (!p->reason[i]) {
			bad = write_one(p, i, e);
		} else if (strict || p->fatal[i]) {
			bad = fail("%s", p->reason[i]);
		} else {
			warn("skipped: %s", p->reason[i]);
			bad = skips_add(&p->skips, p->done + i);
		}
	}
	for (int i = 0; i < n; i++) free(p->reason[i]);
	p->done += n;
	return bad;
}

/* The first row that is there is that of the first picture, which may be another by now. */
static int compare_first(struct pack *p)
{
	const struct source_entry *e = &p->from.entry[chosen(p, p->skips.first)];
	int64_t done = p->done;

	if (!p->rows) return 0;
	p->done = p->skips.first;
	pack_one(p, 0, 0);
	p->done = done;
	int bad = p->reason[0] ? fail("%s", p->reason[0]) :
		rows_held(&p->to, 0, e->label, p->pixels);
	free(p->reason[0]);
	return bad;
}

static int pack(struct pack *p)
{
	int batch = size ? BATCH : BATCH_WHOLE;

	p->pixels = mem_big((size_t)batch, (size_t)size * (size_t)size * 3, "a batch of pictures");
	if (!p->pixels || compare_first(p)) return -1;
	while (p->done < p->total) {
		int n = p->total - p->done < batch ? (int)(p->total - p->done) : batch;
		if (stop_check()) return -1;
		par_for(n, p, pack_one);
		if (write_batch(p, n)) return -1;
		progress("packing", p->done, p->total, "%" PRId64 " skipped", p->skips.n);
	}
	progress_end();
	if (!p->rows) return fail("none of %" PRId64 " pictures could be read", p->total);
	return size ? rows_seal(&p->to) : 0;
}

/* The last components of the sources, so that a store does not depend on where they lie. */
static char *describe(int n, char **path)
{
	char *text = mem_text("%s", ""), *longer;

	for (int i = list ? -1 : 0; i < n && strlen(text) < 1000; i++) {
		const char *source = i < 0 ? list : path[i];
		size_t length = strlen(source);
		while (length > 1 && source[length - 1] == '/') length--;
		size_t from = length;
		while (from && source[from - 1] != '/') from--;
		longer = mem_text("%s%s%.*s", text, *text ? " " : "", (int)(length - from),
				  source + from);
		free(text);
		text = longer;
	}
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127) *c = '?';
	return text;
}

/* Class names joined by commas; false: they do not fit, or cannot be told apart. */
static bool join_classes(char *text, size_t size, const struct sources *s)
{
	size_t used = 0;

	for (int c = 0; c < s->classes; c++) {
		const char *name = s->class_name[c];
		if (used + strlen(name) + 2 > size) return false;
		for (const char *p = name; *p; p++)
			if (*p == ',' || (unsigned char)*p < ' ' || *p == 127) return false;
		used += (size_t)snprintf(text + used, size - used, "%s%s", c ? "," : "", name);
	}
	return true;
}

static void add_classes(struct rows_info *info, const struct sources *s)
{
	char text[2048] = "";

	if (!join_classes(text, sizeof text, s))
		note("the store keeps numbers of classes, not their names: these take %zu bytes or "
		     "more, or have commas", sizeof text);
	else if (*text) rows_meta_add(info, "classes", "%s", text);
}

static int describe_rows(const struct pack *p, struct rows_info *info, int n, char **path)
{
	char *source = describe(n, path);

	*info = (struct rows_info){
		.kind = "images",
		.type = ROWS_U8,
		.width = size * size * 3,
		.height = size,
		.im_width = size,
		.channels = 3,
		.labelled = p->from.labels != LABELS_NONE,
		.count = -1,
	};
	int bad = rows_meta_add(info, "source", "%s", source) ||
		rows_meta_add(info, "listing", "%016" PRIx64, sources_hash(&p->from)) ||
		rows_meta_add(info, "pictures", "%" PRId64 " of %" PRId64, p->total, p->from.n) ||
		rows_meta_add(info, "crop", squash ? "squash" : "centre") ||
		rows_meta_add(info, "filter", "bilinear") ||
		rows_meta_add(info, "alpha", "%d", alpha) ||
		rows_meta_add(info, "orient", "%d", orient);
	free(source);
	add_classes(info, &p->from);
	return bad ? -1 : 0;
}

static int gather(struct pack *p, int n, char **path)
{
	struct sources *s = &p->from;

	/* before a pipe is copied, or a million names are sorted */
	if (out && part_check(out, common.force)) return -1;
	if (list && sources_add_list(s, list)) return -1;
	for (int i = 0; i < n; i++)
		if (sources_add(s, path[i], labels)) return -1;
	if (s->mixed)
		warn("%s: pictures lie beside its sub-folders, which are no classes then: "
		     "no labels",
		     s->mixed);
	if (!s->n)
		return fail(
			"%s: no pictures found, expected .jpg .jpeg .png .ppm .pgm .pnm .pam files",
			n == 1 ? path[0]
			: list ? list
			       : "all sources");
	sources_sort_classes(s);
	p->total = most && most < s->n ? most : s->n;
	if (size)
		note("%" PRId64 " picture%s, %.1f MB at %d x %d", p->total,
		     p->total == 1 ? "" : "s", 3e-6 * size * size * (double)p->total, size, size);
	return 0;
}

static int begin(struct pack *p, int n, char **path)
{
	struct rows_info info;
	struct stat st;
	bool standard = !out || !strcmp(out, "-");

	/* a device or pipe takes a stream */
	p->store = !standard && (stat(out, &st) || S_ISREG(st.st_mode));
	if (standard && binary_stdout()) return -1;
	if (!size) return 0;
	if (describe_rows(p, &info, n, path)) return -1;
	if (rows_create(&p->to, out, &info, common.force, p->store ? &p->rows : NULL)) return -1;
	if (p->store) p->skips.path = mem_text("%s.part.skipped", out);
	if (skips_open(&p->skips, p->rows, &p->done)) return -1;
	if (p->rows) note("%" PRId64 " pictures are packed already; going on", p->rows);
	return 0;
}

static void report(const struct pack *p)
{
	char id[20];

	if (p->skips.n) warn("%" PRId64 " of %" PRId64 " pictures skipped", p->skips.n, p->total);
	if (!p->store) return;
	struct record r = record_begin(stdout);
	snprintf(id, sizeof id, "%016" PRIx64, p->to.info.id);
	record_text(&r, "store", out);
	record_int(&r, "pictures", p->rows);
	record_int(&r, "skipped", p->skips.n);
	record_int(&r, "classes", p->from.classes);
	record_text(&r, "id", id);
	record_end(&r);
}

/* An unfinished store stays to be resumed, unless nothing is in it; what was skipped stays as long
 * as that does. */
static void end(struct pack *p, bool finished)
{
	rows_close(&p->to);
	sources_close(&p->from);
	if (p->skips.f) {
		char *part = mem_text("%s.part", out);
		fclose(p->skips.f);
		if (!finished && !p->rows) unlink(part);
		if (access(part, F_OK)) unlink(p->skips.path);
		free(part);
	}
	free(p->skips.path);
	free(p->pixels);
}

int main(int argc, char **argv)
{
	static struct pack p;
	static char *standard[] = { "-" };
	int i = opt_parse(argc, argv, "[SOURCE...]",
			  "pictures of any source to image rows of one size", opts, LEN(opts));
	int n = argc - i;
	char **path = argv + i;

	if (!n && !list) n = 1, path = standard;
	int times = list && !strcmp(list, "-");
	for (int k = 0; k < n; k++) times += !strcmp(path[k], "-");
	if (times > 1) misuse("standard input can be read once");
	if (labels && (n != 1 || list)) misuse("--labels goes with exactly one source");
	if (!size && (out || squash))
		misuse("--size 0 writes pictures as they are to standard output: leave out %s",
			out ? "--output" : "--squash");
	int bad = gather(&p, n, path) || begin(&p, n, path) || pack(&p);
	int64_t rows = p.rows;
	if (!bad) report(&p);
	end(&p, !bad);
	if (bad) die();
	return done(rows, "pictures");
}
