/* ic-store: looks into row stores, row streams and checkpoints, and turns them into other files. */
#include "formats/keys.h"
#include "formats/known.h"
#include "formats/npy_rows.h"
#include "formats/pam.h"
#include "formats/rows_export.h"
#include "formats/text.h"
#include "formats/weights.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/opt.h"
#include "lib/base/say.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_ROWS = 10 };

static const char *out, *net, *keys;
static int64_t head_rows = HEAD_ROWS;

static const struct opt opts[] = {
	{ 'o', "output", "FILE", "cat, load, export: write here", OPT_OUT, &out, 0, 0 },
	{ 'n', "rows", "N", "head: this many rows", OPT_LONG, &head_rows, 0, 1e15 },
	{ 0, "net", "PREFIX", "export: the tensors PREFIX.*, without that prefix",
		OPT_STR, &net, 0, 0 },
	{ 0, "keys", "FILE", "pam, cat: the pictures, or rows, with these keys, one a line",
		OPT_STR, &keys, 0, 0 },
	OPT_COMMON,
};

/* Weights by their first bytes, which for a tar are its first block: 1, 0, or -1 after fail(). */
static int is_tensors(const char *path)
{
	unsigned char first[KNOWN_BYTES] = "";
	int n = known_first(path, first);

	return n > 0 ? weights_is(first, (size_t)n) : n;
}

static void hex_field(struct record *r, const char *name, uint64_t id)
{
	char text[17] = "";

	if (id) snprintf(text, sizeof text, "%016" PRIx64, id);
	record_text(r, name, text);
}

/* "1000x64x64x3" */
static void shape_field(struct record *r, int rank, const int64_t *shape)
{
	char text[256] = "";
	int used = 0;

	for (int i = 0; i < rank; i++)
		used += snprintf(text + used, sizeof text - (size_t)used, "%s%" PRId64,
		i ? "x" : "", shape[i]);
	record_text(r, "shape", text);
}

static void list_line(const char *path, const char *name, const char *type, int rank,
	const int64_t *shape, const struct rows_info *rows, const char *meta)
{
	struct record r = record_begin(stdout);

	record_text(&r, "file", path);
	record_text(&r, "name", name);
	record_text(&r, "type", type);
	shape_field(&r, rank, shape);
	record_text(&r, "labels", rows && rows->labelled ? "yes" : "no");
	hex_field(&r, "id", rows ? rows->id : 0);
	hex_field(&r, "from", rows ? rows->from : 0);
	hex_field(&r, "root", rows ? rows->root : 0);
	record_text(&r, "meta", meta);
	record_end(&r);
}

static int list_tensors(const char *path)
{
	struct tensors t;

	if (weights_open_script(&t, path)) return -1;
	const struct rows_info known = { .id = tensors_id(&t) };
	for (int i = 0; i < t.n_meta; i++) {
		char *meta = mem_text("%s=%s", t.meta[i].name, t.meta[i].value);
		list_line(path, "__metadata__", "", 0, NULL, &known, meta);
		free(meta);
	}
	for (int i = 0; i < t.n; i++)
		list_line(path, t.t[i].name, dtype_name(t.t[i].type), t.t[i].rank, t.t[i].shape,
			NULL, "");
	tensors_close(&t);
	return 0;
}

/* A stream has to be read to its end for its count and id. */
static int list_rows(const char *path)
{
	struct rows r;
	struct block b;
	int got = 1;

	if (rows_open(&r, path)) return -1;
	while (!rows_is_store(&r) && (got = rows_next(&r, &b)) > 0)
		if (stop_check()) got = -1;
	struct rows_info info = r.info;
	rows_close(&r);
	if (got < 0) return -1;
	int64_t shape[4] = { info.count, info.width };
	int rank = 2;
	if (info.height) {
		shape[1] = info.height, shape[2] = info.im_width, shape[3] = info.channels;
		rank = 4;
	}
	for (char *m = info.meta; (m = strchr(m, '\n')); m++) *m = m[1] ? ';' : 0;
	list_line(path, info.kind, text_type(info.type), rank, shape, &info, info.meta);
	return 0;
}

static int64_t list(int n, char **files)
{
	for (int i = 0; i < n; i++) {
		int tensors = is_tensors(files[i]);
		if (stop_check() || tensors < 0 || (tensors ? list_tensors : list_rows)(files[i]))
			return -1;
	}
	return n;
}

static int64_t text(const char *path, int64_t most)
{
	struct rows r;
	struct block b;
	int64_t n = 0;
	int got = 1, bad = 0;

	if (rows_open(&r, path)) return -1;
	text_head(stdout, &r.info);
	while (!bad && n < most && (got = rows_next(&r, &b)) > 0) {
		const char *row = b.data;
		for (int i = 0; i < b.n && n < most && !bad; i++, n++, row += rows_bytes(&r.info)) {
			text_row(stdout, &r.info, b.keys[i], b.labels ? b.labels[i] : 0, row);
			bad = ferror(stdout) ? write_failed("standard output") : stop_check();
		}
	}
	rows_close(&r);
	if (!bad && got >= 0) text_end(stdout);
	return bad || got < 0 ? -1 : n;
}

static int64_t head(int n, char **files)
{
	(void)n;
	return text(files[0], head_rows);
}

static int64_t dump(int n, char **files)
{
	(void)n;
	return text(files[0], INT64_MAX);
}

/* Row i of the input: rows up to `at` are in the output already. */
static int put_row(struct rows *to, int64_t i, int64_t at, uint64_t key, uint32_t label,
	const void *row)
{
	return (i < at ? rows_held : rows_put)(to, key, label, row);
}

static int load_rows(struct text *t, struct rows *to, int64_t at)
{
	uint64_t key;
	uint32_t label;
	int64_t i = 0;
	int got;

	for (; (got = text_next(t, &to->info, &key, &label)) > 0; i++)
		if (stop_check() || put_row(to, i, at, key, label, t->row)) return -1;
	return got ? -1 : rows_ended(to, i);
}

static int64_t load_npy(const char *path)
{
	struct table t;
	struct rows to = { 0 };
	int64_t at = 0;

	if (rows_load_features(&t, path)) return -1;
	int bad = rows_create(&to, out, &t.info, common.force, &at);
	const char *row = t.data;
	for (int64_t i = 0; i < t.info.count && !bad; i++, row += rows_bytes(&t.info))
		bad = stop_check() ||
			put_row(&to, i, at, t.keys[i], t.labels ? t.labels[i] : 0, row);
	bad = bad || rows_ended(&to, t.info.count) || rows_seal(&to);
	int64_t count = t.info.count;
	rows_close(&to);
	rows_free(&t);
	return bad ? -1 : count;
}

static int64_t load(int n, char **files)
{
	struct text t;
	struct rows_info info;
	struct rows to = { 0 };
	int64_t at;

	int npy = n ? npy_rows_is(files[0]) : 0;
	if (npy) return npy < 0 ? -1 : load_npy(files[0]);
	if (text_open(&t, n ? files[0] : "-", &info)) return -1;
	int bad = rows_create(&to, out, &info, common.force, &at) || load_rows(&t, &to, at) ||
		rows_seal(&to);
	at = to.info.count;
	rows_close(&to);
	text_close(&t);
	return bad ? -1 : at;
}

static int64_t verify(int n, char **files)
{
	for (int i = 0; i < n; i++) {
		struct rows_info info;
		struct record r = record_begin(stdout);
		if (rows_verify(files[i], &info)) return -1;
		record_text(&r, "file", files[i]);
		record_int(&r, "rows", info.count);
		hex_field(&r, "id", info.id);
		record_text(&r, "verdict", "good");
		record_end(&r);
	}
	return n;
}

static const char *with_labels(const struct rows_info *r)
{
	return r->labelled ? " with labels" : "";
}

/* Shards of one whole differ in their rows alone. */
static int same_info(const struct rows_info *a, const struct rows_info *b, const char *path)
{
	if (strcmp(a->kind, b->kind) || a->type != b->type || a->width != b->width ||
		a->labelled != b->labelled || a->height != b->height ||
		a->im_width != b->im_width || a->channels != b->channels)
		return fail("%s: found %s rows of %s %d%s, expected %s rows of %s %d%s "
			"as in the first file", path, b->kind, text_type(b->type), b->width,
			with_labels(b), a->kind, text_type(a->type), a->width, with_labels(a));
	if (a->from != b->from || a->root != b->root)
		return fail("%s: found rows from %016" PRIx64 ", expected %016" PRIx64
			" as in the first file", path, b->from, a->from);
	if (strcmp(a->meta, b->meta))
		return fail("%s: its meta lines are not those of the first file", path);
	return 0;
}

/* A shard of ic-embed or ic-knn says which rows it has; what is joined does not. */
static void drop_range(struct rows_info *info)
{
	static const char name[] = "rows=";
	char *line = info->meta;

	while (*line && strncmp(line, name, sizeof name - 1)) line = strchr(line, '\n') + 1;
	if (*line) memmove(line, strchr(line, '\n') + 1, strlen(strchr(line, '\n') + 1) + 1);
}

/* at: rows that the output has already; end: where the range of the last shard ends, -1 when it
 * does not say. */
struct join { struct rows to; int64_t at, seen, end; uint64_t last; };

/* Shards that say which rows they have follow each other: one that is forgotten would not be
 * missed by who reads the whole. */
static int follows(struct join *j, const struct rows_info *info, const char *path, bool first)
{
	char range[64];
	int64_t begin, end;
	bool says = rows_meta(info, "rows", range, sizeof range) &&
		sscanf(range, "%" SCNd64 ":%" SCNd64, &begin, &end) == 2;

	if (says && !first && j->end >= 0 && begin > j->end)
		return fail("%s: found rows %s, expected %" PRId64 ": as the next ones", path,
			range, j->end);
	j->end = says ? end : -1;
	return 0;
}

static int join_rows(struct join *j, struct rows *from, bool first)
{
	struct block b;
	int got;

	while ((got = rows_next(from, &b)) > 0) {
		const char *row = b.data;
		if (!first && b.keys[0] <= j->last)
			return fail("%s: begins with key %" PRIu64 " after key %" PRIu64 ": shards "
				"are joined in the order of their keys", rows_path(from), b.keys[0],
				j->last);
		first = true;
		for (int i = 0; i < b.n; i++, row += rows_bytes(&from->info), j->seen++)
			if (put_row(&j->to, j->seen, j->at, b.keys[i], b.labels ? b.labels[i] : 0,
				row)) return -1;
		j->last = b.keys[b.n - 1];
		if (stop_check()) return -1;
		progress("rows", j->seen, 0, "%s", rows_path(from));
	}
	return got;
}

static int join_file(struct join *j, const char *path, bool first)
{
	struct rows from;

	if (rows_open(&from, path)) return -1;
	struct rows_info info = from.info;
	info.count = -1;
	int bad = follows(j, &info, path, first);
	drop_range(&info);
	if (!bad) bad = first ? rows_create(&j->to, out, &info, common.force, &j->at) :
			  same_info(&j->to.info, &info, path);
	if (!bad) bad = join_rows(j, &from, first);
	rows_close(&from);
	return bad;
}

static int by_key(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

/* Rows are in the order of their keys, each once: k-means may choose one twice. */
static int64_t keys_sorted(uint64_t **wanted)
{
	int64_t n = keys_read(keys, wanted), kept = 0;

	if (n > 0) qsort(*wanted, (size_t)n, sizeof **wanted, by_key);
	for (int64_t i = 0; i < n; i++)
		if (!kept || (*wanted)[kept - 1] != (*wanted)[i]) (*wanted)[kept++] = (*wanted)[i];
	return n < 0 ? -1 : kept;
}

static int pick_rows(struct rows *from, struct rows *to, const uint64_t *wanted, int64_t n)
{
	struct block b;

	for (int64_t i = 0; i < n; i++) {
		int64_t row = rows_find(from, wanted[i]);
		if (stop_check() || row < 0 || rows_at(from, row, &b)) return -1;
		if (rows_put(to, b.keys[0], b.labels ? b.labels[0] : 0, b.data)) return -1;
	}
	return rows_seal(to);
}

static int64_t pick(const char *path)
{
	struct rows from, to = { 0 };
	uint64_t *wanted = NULL;

	if (rows_open(&from, path)) return -1;
	int64_t n = rows_is_store(&from) ? keys_sorted(&wanted) :
		fail("%s: found a row stream, expected a store", path);
	struct rows_info info = from.info;
	info.count = n;
	info.root = rows_root(&from.info);   /* of images too: the keys are still those of all */
	int bad = n < 0 || rows_create(&to, out, &info, common.force, NULL) ||
		pick_rows(&from, &to, wanted, n);
	rows_close(&to);
	rows_close(&from);
	free(wanted);
	return bad ? -1 : n;
}

static int64_t cat(int n, char **files)
{
	struct join j = { 0 };
	int bad = 0;

	if (keys && n > 1) misuse("cat --keys takes one FILE, found '%s' too", files[1]);
	if (keys) return pick(files[0]);
	for (int i = 0; i < n && !bad; i++) bad = join_file(&j, files[i], i == 0);
	if (!bad) bad = rows_ended(&j.to, j.seen) || rows_seal(&j.to);
	rows_close(&j.to);
	return bad ? -1 : j.seen;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);
	return n > m && !strcmp(s + n - m, end);
}

/* The tensors "PREFIX.name" of a file as "name", with its metadata but for the many "left out". */
static int64_t export_net(const char *path)
{
	struct tensors from, to = { 0 };
	size_t n = strlen(net);

	if (weights_open(&from, path)) return -1;
	for (int i = 0; i < from.n; i++) {
		const struct tensor *t = &from.t[i];
		if (!strncmp(t->name, net, n) && t->name[n] == '.')
			tensors_add(&to, t->name + n + 1, t->type, t->rank, t->shape, t->data);
	}
	for (int i = 0; i < from.n_meta; i++)
		if (strcmp(from.meta[i].name, "left out"))
			tensors_add_meta(&to, from.meta[i].name, from.meta[i].value);
	int64_t found = to.n;
	int bad = found ? tensors_save(&to, out, common.force) : fail("%s: found no tensor %s.*, "
		"the first is %s", path, net, from.n ? from.t[0].name : "missing");
	tensors_close(&to);
	tensors_close(&from);
	return bad ? -1 : found;
}

static int64_t export(int n, char **files)
{
	struct table t;
	bool npy = out && ends_with(out, ".npy");

	(void)n;
	if (!out || (!npy && !ends_with(out, ".safetensors")))
		misuse("export needs -o NAME.npy or -o NAME.safetensors");
	if (net && npy) misuse("export --net writes .safetensors");
	if (net) return export_net(files[0]);
	int tensors = is_tensors(files[0]);
	if (tensors < 0) return -1;
	if (tensors)
		return fail("%s: found a checkpoint, expected --net, as G_ema", files[0]);
	if (rows_load(&t, files[0])) return -1;
	int64_t count = t.info.count;
	int bad = npy ? rows_export_npy(&t, out, common.force) :
		rows_export_safetensors(&t, out, common.force);
	rows_free(&t);
	return bad ? -1 : count;
}

/* Picture i of a block. */
static int picture(const struct rows *r, const struct block *b, int i, struct pam_head *h)
{
	h->key = b->keys[i];
	h->labelled = b->labels;
	h->label = b->labels ? b->labels[i] : 0;
	if (stop_check() || pam_write(stdout, "standard output", h,
		(const uint8_t *)b->data + (size_t)i * rows_bytes(&r->info))) return -1;
	h->at += h->of > 0;
	return 0;
}

/* In the order of the keys. */
static int64_t some_pictures(struct rows *r, struct pam_head *h)
{
	uint64_t *wanted = NULL;
	struct block b;
	int64_t n = rows_is_store(r) ? keys_read(keys, &wanted) :
		fail("%s: found a row stream, expected a store for --keys", rows_path(r));
	int bad = n < 0;

	h->of = n;
	for (int64_t i = 0; i < n && !bad; i++) {
		int64_t row = rows_find(r, wanted[i]);
		bad = row < 0 || rows_at(r, row, &b) || picture(r, &b, 0, h);
	}
	free(wanted);
	return bad ? -1 : n;
}

/* A stream has its id at its end only, and perhaps not said how many come: nor do its pictures. */
static int64_t all_pictures(struct rows *r, struct pam_head *h)
{
	struct block b;
	int64_t n = 0;
	int got;

	h->of = r->info.count < 0 ? 0 : r->info.count;
	while ((got = rows_next(r, &b)) > 0)
		for (int i = 0; i < b.n; i++, n++)
			if (picture(r, &b, i, h)) return -1;
	return got < 0 ? -1 : n;
}

static int64_t pam(int n, char **files)
{
	struct rows r;

	(void)n;
	if (binary_stdout() || rows_open(&r, files[0])) return -1;
	struct pam_head h = { .width = r.info.im_width, .height = r.info.height, .channels = 3,
		.from = r.info.id, .root = rows_root(&r.info) };
	int64_t count = r.info.channels != 3 ?
		fail("%s: found %s rows, expected pictures of 3 channels", rows_path(&r),
			r.info.kind) : keys ? some_pictures(&r, &h) : all_pictures(&r, &h);
	rows_close(&r);
	return count;
}

/* with: letters of the options a command takes: output, rows, net, keys. */
static const struct command {
	const char *name, *with;
	int least, most;                             /* operands */
	int64_t (*run)(int n, char **files);         /* items done, or -1 after fail() */
	const char *unit;
} commands[] = {
	{ "ls",     "",   1, 1 << 20, list,   "files" },
	{ "head",   "r",  1, 1,       head,   "rows" },
	{ "dump",   "",   1, 1,       dump,   "rows" },
	{ "load",   "o",  0, 1,       load,   "rows" },
	{ "verify", "",   1, 1 << 20, verify, "files" },
	{ "cat",    "ok", 1, 1 << 20, cat,    "rows" },
	{ "export", "on", 1, 1,       export, "items" },
	{ "pam",    "k",  1, 1,       pam,    "pictures" },
};

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < LEN(commands); i++)
		if (!strcmp(commands[i].name, name)) return &commands[i];
	misuse("found command '%s', expected ls, head, dump, load, verify, cat, export or pam",
		name);
}

static void options_check(const struct command *c)
{
	const struct { bool given; char letter; const char *name; } given[] = {
		{ out, 'o', "-o" },
		{ head_rows != HEAD_ROWS, 'r', "-n" },
		{ net, 'n', "--net" },
		{ keys, 'k', "--keys" },
	};

	for (size_t i = 0; i < LEN(given); i++)
		if (given[i].given && !strchr(c->with, given[i].letter))
			misuse("%s takes no %s", c->name, given[i].name);
}

int main(int argc, char **argv)
{
	int i = opt_parse(argc, argv, "ls|head|dump|load|verify|cat|export|pam [FILE...]",
		"look into stores, streams and checkpoints; turn them into other files", opts,
		LEN(opts));

	if (i == argc)
		misuse("a command is missing: ls, head, dump, load, verify, cat, export or pam");
	const struct command *c = command_find(argv[i++]);
	options_check(c);
	if (argc - i < c->least) misuse("%s needs a FILE ('-' is stdin)", c->name);
	if (argc - i > c->most)
		misuse("%s takes one FILE, found '%s' too", c->name, argv[i + c->most]);
	int64_t items = c->run(argc - i, argv + i);
	if (items < 0) die();
	return done(items, c->unit);
}
