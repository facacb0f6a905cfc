/* rows: one interface to row streams and row stores. */
#include "formats/rows.h"
#include "formats/append.h"
#include "formats/known.h"
#include "formats/pages.h"
#include "formats/part.h"
#include "formats/store.h"
#include "formats/stream.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/say.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct rows_state {
	char *path;
	struct stream *stream;               /* one of these three is set */
	struct store *store;
	struct append *append;
	bool writing, sealed;
	int64_t next;                        /* reading a store: its next block */
	int64_t announced, total;            /* writing: count the caller gave; rows put */
	struct held held;                    /* writing: by a part that was taken up; the rows */
	int64_t passed;                      /* that should be these, so far, */
	struct hash passed_hash, hash;       /* and their hash; that of all rows put */
	int n, full;                         /* writing: rows of the block being filled */
	uint64_t *keys;
	uint32_t *labels;
	unsigned char *data;
};

size_t rows_bytes(const struct rows_info *r)
{
	static const unsigned char element[] = { [ROWS_U8] = 1, [ROWS_F32] = 4, [ROWS_F16] = 2,
		[ROWS_U32] = 4, [ROWS_NEAR] = 8 };

	must(r->type >= ROWS_U8 && r->type <= ROWS_NEAR && r->width > 0);
	return (size_t)r->width * element[r->type];
}

uint64_t rows_root(const struct rows_info *r)
{
	return r->root ? r->root : r->id;
}

const char *rows_path(const struct rows *r)
{
	return r->s->path;
}

bool rows_is_store(const struct rows *r)
{
	return r->s->store;
}

bool rows_meta(const struct rows_info *r, const char *name, char *buf, size_t size)
{
	size_t n = strlen(name);

	for (const char *line = r->meta; *line; line = strchr(line, '\n') + 1) {
		if (strncmp(line, name, n) || line[n] != '=') continue;
		snprintf(buf, size, "%.*s", (int)(strchr(line, '\n') - line - (ptrdiff_t)n - 1),
			line + n + 1);
		return true;
	}
	return false;
}

int rows_meta_add(struct rows_info *r, const char *name, const char *fmt, ...)
{
	char value[sizeof r->meta];
	size_t used = strlen(r->meta);
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(value, sizeof value, fmt, ap);
	va_end(ap);
	must(n >= 0);
	if ((size_t)n + strlen(name) + 2 >= sizeof r->meta - used)
		return fail("meta text of %s rows is full: no room for %s", r->kind, name);
	for (int i = 0; i < n; i++)
		if ((unsigned char)value[i] < ' ' || value[i] == 127)
			return fail("%s: found a control character in its value", name);
	snprintf(r->meta + used, sizeof r->meta - used, "%s=%s\n", name, value);
	return 0;
}

static struct rows_state *state_new(const char *path, bool writing)
{
	struct rows_state *s = mem_new(1, sizeof *s);

	if (!strcmp(path, "-")) path = writing ? "standard output" : "standard input";
	s->path = mem_text("%s", path);
	s->writing = writing;
	return s;
}

void rows_close(struct rows *r)
{
	struct rows_state *s = r->s;

	if (s) {
		stream_close(s->stream);
		store_close(s->store);
		append_close(s->append);
		free(s->keys);
		free(s->labels);
		free(s->data);
		free(s->path);
		free(s);
	}
	*r = (struct rows){ 0 };
}

/* 1 a regular file that begins as an LMDB file does, 0 anything else that can be opened, -1
 * failed. */
static int looks_like_store(const char *path)
{
	unsigned char first[KNOWN_BYTES];
	struct stat st;

	if (!stat(path, &st) && S_ISDIR(st.st_mode))
		return fail("%s: found a folder, expected rows", path);
	int n = known_first(path, first);
	return n < 0 ? -1 : pages_sniff(first, n);
}

int rows_open(struct rows *r, const char *path)
{
	*r = (struct rows){ .s = state_new(path, false) };
	int store = looks_like_store(path);
	if (store > 0 && !store_open(&r->s->store, path, &r->info, false)) return 0;
	if (!store && !stream_open(&r->s->stream, path, &r->info)) return 0;
	rows_close(r);
	return -1;
}

int rows_next(struct rows *r, struct block *b)
{
	struct rows_state *s = r->s;

	must(!s->writing);
	if (s->stream) return stream_next(s->stream, &r->info, b);
	if (s->next == store_blocks(s->store)) return 0;
	return store_block(s->store, s->next++, b, NULL) ? -1 : 1;
}

int rows_at(struct rows *r, int64_t i, struct block *b)
{
	int per = frame_rows(&r->info), skip = (int)(i % per);

	must(r->s->store && i >= 0 && i < r->info.count);
	if (store_block(r->s->store, i / per, b, NULL)) return -1;
	b->n -= skip;
	b->keys += skip;
	if (b->labels) b->labels += skip;
	b->data = (const char *)b->data + (size_t)skip * rows_bytes(&r->info);
	return 0;
}

int64_t rows_find(struct rows *r, uint64_t key)
{
	must(r->s->store);
	return store_find(r->s->store, key);
}

static int verify(struct rows *r)
{
	struct block b;
	struct hash hash;
	uint64_t id = 0;
	int got = 1;

	if (r->s->stream) {                          /* checks each block as it comes */
		while ((got = rows_next(r, &b)) > 0) if (stop_check()) return -1;
		return got;
	}
	hash_start(&hash);
	for (int64_t i = 0; i < store_blocks(r->s->store); i++) {
		if (stop_check() || store_block(r->s->store, i, &b, &id)) return -1;
		frame_hash(&hash, &r->info, &b);
		if (hash_end(&hash) != id)
			return fail("%s: block %lld (%d rows from row %lld) is damaged: "
				"its id is not the one written", r->s->path, (long long)i, b.n,
				(long long)i * frame_rows(&r->info));
	}
	return hash_end(&hash) == r->info.id ? 0 :
		fail("%s: its rows do not have the id of its end", r->s->path);
}

int rows_verify(const char *path, struct rows_info *info)
{
	struct rows r;

	if (rows_open(&r, path)) return -1;
	int bad = verify(&r);
	*info = r.info;
	rows_close(&r);
	return bad;
}

/* Pipes and devices cannot be replaced by a store: a stream goes into them. */
static bool takes_stream(const char *path)
{
	struct stat st;
	return !strcmp(path, "-") ||
		(!stat(path, &st) && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode));
}

int rows_create(struct rows *r, const char *path, const struct rows_info *info, bool force,
	int64_t *resume_at)
{
	if (!path) path = "-";
	*r = (struct rows){ .info = *info, .s = state_new(path, true) };
	struct rows_state *s = r->s;
	r->info.id = 0;
	s->announced = info->count;
	hash_start(&s->hash);
	hash_start(&s->passed_hash);
	if (frame_check(s->path, info)) goto fail;
	if (takes_stream(path) ? stream_create(&s->stream, path, info) :
	    append_create(&s->append, path, info, force, resume_at, &s->held)) goto fail;
	if (s->append) {
		s->total = s->held.rows;
		s->hash = s->held.hash;
	}
	s->full = frame_rows(info);
	s->keys = mem_new((size_t)s->full, sizeof *s->keys);
	s->labels = mem_new((size_t)s->full, sizeof *s->labels);
	s->data = mem_big((size_t)s->full, rows_bytes(info), s->path);
	if (!s->data) goto fail;
	if (resume_at) *resume_at = s->total;
	return 0;
fail:
	rows_close(r);
	return -1;
}

bool rows_again(const char *path, const struct rows_info *info, const char *last)
{
	char *part = mem_text("%s.part", last ? last : "-");
	bool unfinished = part_exists(part) > 0;

	free(part);
	return unfinished && part_exists(path) > 0 && append_is_same(path, info);
}

static int flush(struct rows *r)
{
	struct rows_state *s = r->s;
	struct block b = { s->n, s->keys, r->info.labelled ? s->labels : NULL, s->data };

	if (!s->n) return 0;
	frame_hash(&s->hash, &r->info, &b);
	s->n = 0;
	uint64_t id = hash_end(&s->hash);
	return s->stream ? stream_put(s->stream, &r->info, &b, id) : append_put(s->append, &b, id);
}

int rows_put(struct rows *r, uint64_t key, uint32_t label, const void *row)
{
	struct rows_state *s = r->s;
	size_t bytes = rows_bytes(&r->info);

	must(s->writing && !s->sealed);
	s->keys[s->n] = key;
	s->labels[s->n] = label;
	memcpy(s->data + (size_t)s->n * bytes, row, bytes);
	s->total++;
	return ++s->n == s->full ? flush(r) : 0;
}

static int fail_held(const struct rows *r)
{
	return fail("%s.part: left by a command on other rows, remove it to begin anew",
		r->s->path);
}

int rows_held(struct rows *r, uint64_t key, uint32_t label, const void *row)
{
	struct rows_state *s = r->s;

	must(s->passed < s->held.rows);
	frame_hash(&s->passed_hash, &r->info, &(struct block){ 1, &key, &label, row });
	uint64_t id = hash_end(&s->passed_hash);
	bool other = !s->passed++ && id != s->held.first;
	if (s->passed == s->held.rows) other |= id != hash_end(&s->held.hash);
	return other ? fail_held(r) : 0;
}

int rows_ended(const struct rows *r, int64_t count)
{
	return count < r->s->held.rows ? fail_held(r) : 0;
}

int rows_seal(struct rows *r)
{
	struct rows_state *s = r->s;

	must(s->writing && !s->sealed);
	if (flush(r)) return -1;
	if (s->announced >= 0 && s->total != s->announced)
		return fail("%s: %lld rows were written, %lld announced", s->path,
			(long long)s->total, (long long)s->announced);
	r->info.count = s->total;
	r->info.id = hash_end(&s->hash);
	s->sealed = true;
	return s->stream ? stream_seal(s->stream, s->total, r->info.id) :
		append_seal(s->append, s->total, r->info.id);
}
