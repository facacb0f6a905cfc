/* store: reading a row store: an LMDB file whose values are the parts of a row stream. */
#include "formats/store.h"
#include "formats/pages.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct place { uint64_t key; int64_t at; };

struct store {
	char *path;
	struct rows_info info;
	MDB_env *env;
	MDB_txn *txn;                        /* open as long as the store: block[] is in its map */
	const unsigned char **block;
	int64_t blocks;
	bool sealed;
	pthread_mutex_t lock;                /* of places */
	struct place *places;                /* sorted by key; made when first asked for */
};

int store_fail(const char *path, const char *what, int rc)
{
	if (rc == EIO || rc == ENOSPC || rc == EDQUOT || rc == EFBIG)
		/* LMDB says EIO for a short write */
		return fail("%s: %s: the disk is full or failing, or the file may not grow (%s)",
			path, what, mdb_strerror(rc));
	return fail("%s: %s: %s", path, what, mdb_strerror(rc));
}

size_t store_value_bytes(const struct rows_info *info, int n)
{
	size_t bytes = frame_bytes(info, n);
	return bytes < STORE_LEAST ? STORE_LEAST : bytes;
}

static int meta_get(struct store *s, MDB_dbi meta, const char *name, MDB_val *v)
{
	MDB_val k = { strlen(name), (void *)(uintptr_t)name };
	int rc = mdb_get(s->txn, meta, &k, v);

	return rc && rc != MDB_NOTFOUND ? store_fail(s->path, name, rc) : rc == MDB_NOTFOUND;
}

/* Head and end; 0 or -1. */
static int meta_read(struct store *s, bool unsealed)
{
	MDB_dbi meta;
	MDB_val v;
	struct frame_end e;
	int rc = mdb_dbi_open(s->txn, STORE_META, 0, &meta);

	if (rc == MDB_NOTFOUND) return fail("%s: an LMDB file, but not a row store", s->path);
	if (rc) return store_fail(s->path, STORE_META, rc);
	if ((rc = meta_get(s, meta, STORE_HEAD, &v)))
		return rc < 0 ? -1 : fail("%s: has no head", s->path);
	if (frame_head_get(&s->info, s->path, v.mv_data, v.mv_size)) return -1;
	if ((rc = meta_get(s, meta, STORE_END, &v)) < 0) return -1;
	s->info.count = -1;
	if (rc)
		return unsealed ? 0 : fail("%s: not sealed: "
			"the program that wrote it did not finish", s->path);
	if (v.mv_size != sizeof e) return fail("%s: its end is damaged", s->path);
	memcpy(&e, v.mv_data, sizeof e);
	if (e.total >> 56 || frame_end_check(s->path, &e, (int64_t)e.total, e.id))
		return fail("%s: its end is damaged", s->path);
	s->info.count = (int64_t)e.total;
	s->info.id = e.id;
	s->sealed = true;
	return 0;
}

/* Rows in block `number`, whose bytes are not looked at. */
static int rows_in(const struct store *s, int64_t number)
{
	int per = frame_rows(&s->info);
	int64_t left = s->sealed ? s->info.count - number * per : per;

	return left < per ? (int)left : per;
}

static int blocks_add(struct store *s, MDB_cursor *c, int64_t room)
{
	MDB_val k, v;
	int rc;

	while (!(rc = mdb_cursor_get(c, &k, &v, MDB_NEXT))) {
		uint64_t number;
		if (k.mv_size != 8 || s->blocks >= room)
			return fail("%s: has blocks it should not have", s->path);
		memcpy(&number, k.mv_data, 8);
		if (__builtin_bswap64(number) != (uint64_t)s->blocks)
			return fail("%s: block %lld is missing", s->path, (long long)s->blocks);
		if (v.mv_size != store_value_bytes(&s->info, rows_in(s, s->blocks)) ||
			(uintptr_t)v.mv_data % 16)
			return fail("%s: block %lld has %zu bytes, expected %zu", s->path,
				(long long)s->blocks, v.mv_size,
				store_value_bytes(&s->info, rows_in(s, s->blocks)));
		s->block[s->blocks++] = v.mv_data;
	}
	return rc == MDB_NOTFOUND ? 0 : store_fail(s->path, STORE_DATA, rc);
}

/* Where every block lies.  The leaves of the tree have it: the blocks themselves are not
 * touched. */
static int blocks_read(struct store *s)
{
	MDB_dbi data;
	MDB_stat st;
	MDB_cursor *c;
	int64_t per = frame_rows(&s->info), want = (s->info.count + per - 1) / per;
	int rc = mdb_dbi_open(s->txn, STORE_DATA, 0, &data);

	if (!rc) rc = mdb_stat(s->txn, data, &st);
	if (rc) return store_fail(s->path, STORE_DATA, rc);
	if (!s->sealed) want = (int64_t)st.ms_entries;
	if ((uint64_t)want != st.ms_entries)
		return fail("%s: found %zu blocks, expected %lld for %lld rows", s->path,
			st.ms_entries, (long long)want, (long long)s->info.count);
	s->block = mem_new((size_t)want, sizeof *s->block);
	if ((rc = mdb_cursor_open(s->txn, data, &c))) return store_fail(s->path, STORE_DATA, rc);
	int bad = blocks_add(s, c, want);
	mdb_cursor_close(c);
	if (bad) return -1;
	if (s->blocks == want) return 0;
	return fail("%s: found %lld blocks, expected %lld", s->path, (long long)s->blocks,
		(long long)want);
}

/* A size of 1 is raised to what the pages in use need. */
static int env_open(struct store *s)
{
	int rc = mdb_env_create(&s->env);

	if (!rc) rc = mdb_env_set_maxdbs(s->env, 2);
	if (!rc) rc = mdb_env_set_mapsize(s->env, 1);
	if (!rc)
		rc = mdb_env_open(s->env, s->path,
			MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK | MDB_NORDAHEAD, 0666);
	if (!rc) rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &s->txn);
	return rc ? store_fail(s->path, "open", rc) : 0;
}

int store_open(struct store **out, const char *path, struct rows_info *info, bool unsealed)
{
	struct store *s = mem_new(1, sizeof *s);

	*out = NULL;
	s->path = mem_text("%s", path);
	pthread_mutex_init(&s->lock, NULL);
	if (pages_check(path, !unsealed) || env_open(s) || meta_read(s, unsealed) ||
		blocks_read(s)) {
		store_close(s);
		return -1;
	}
	*info = s->info;
	*out = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s) return;
	if (s->txn) mdb_txn_abort(s->txn);
	if (s->env) mdb_env_close(s->env);
	pthread_mutex_destroy(&s->lock);
	free(s->places);
	free(s->block);
	free(s->path);
	free(s);
}

int64_t store_blocks(const struct store *s)
{
	return s->blocks;
}

int store_block(struct store *s, int64_t number, struct block *b, uint64_t *id)
{
	struct frame_block h;

	must(number >= 0 && number < s->blocks);
	if (frame_get(b, s->path, &s->info, s->block[number], rows_in(s, number)))
		return fail("%s: block %lld is damaged", s->path, (long long)number);
	memcpy(&h, s->block[number], sizeof h);
	if (id) *id = h.id;
	return 0;
}

static int by_key(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->key != y->key) return x->key < y->key ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

static int places_make(struct store *s)
{
	struct place *p = mem_big((size_t)s->info.count, sizeof *p, "index of keys");
	struct block b;
	int64_t n = 0;

	if (!p) return -1;
	for (int64_t i = 0; i < s->blocks; i++) {
		if (store_block(s, i, &b, NULL)) {
			free(p);
			return -1;
		}
		for (int j = 0; j < b.n; j++, n++) p[n] = (struct place){ b.keys[j], n };
	}
	qsort(p, (size_t)n, sizeof *p, by_key);
	s->places = p;
	return 0;
}

/* The first position of the key; -1 when there is none. */
static int64_t search(const struct place *p, int64_t n, uint64_t key)
{
	int64_t low = 0, high = n;

	while (low < high) {
		int64_t mid = low + (high - low) / 2;
		if (p[mid].key < key) low = mid + 1;
		else high = mid;
	}
	return low < n && p[low].key == key ? p[low].at : -1;
}

int64_t store_find(struct store *s, uint64_t key)
{
	pthread_mutex_lock(&s->lock);
	int bad = s->places ? 0 : places_make(s);
	pthread_mutex_unlock(&s->lock);
	if (bad) return -1;
	int64_t at = search(s->places, s->info.count, key);
	return at < 0 ? fail("%s: no row has key %llu", s->path, (unsigned long long)key) : at;
}
