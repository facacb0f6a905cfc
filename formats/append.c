/* append: writing a row store.
 *
 * A sealed store is the same file byte for byte whether or not its writer was interrupted.
 * Hence commits come after a fixed number of blocks, an interrupted writer loses whole commits
 * and does them again, and each commit is made by a freshly opened environment:  LMDB recycles
 * the page buffers of a process, stale bytes and all. */
#include "formats/append.h"
#include "formats/lock.h"
#include "formats/pages.h"
#include "formats/part.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/say.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCKS_A_COMMIT = 4 };

struct append {
	char *path, *part;
	struct rows_info info;
	int lock;                            /* of the part, as long as this exists */
	bool force, resume, sealed, renamed;
	bool ours;                           /* what the part holds */
	MDB_env *env;                        /* open only while txn is */
	MDB_txn *txn;
	MDB_dbi meta, data;
	int64_t blocks, committed;
};

/* The map must hold what is there and one commit more; LMDB writes its size into the file, so it
 * may depend on nothing but the number of blocks: the power of two above twice the need. */
static size_t map_bytes(const struct append *a)
{
	size_t block = store_value_bytes(&a->info, frame_rows(&a->info)) + (64 << 10);
	size_t need = 2 * ((size_t)a->blocks + BLOCKS_A_COMMIT + 1) * block, size = 16 << 20;

	while (size < need) size *= 2;
	return size;
}

static void end_txn(struct append *a)
{
	if (a->txn) mdb_txn_abort(a->txn);
	if (a->env) mdb_env_close(a->env);
	a->txn = NULL;
	a->env = NULL;
}

static int begin_txn(struct append *a)
{
	int rc = mdb_env_create(&a->env);

	if (!rc) rc = mdb_env_set_maxdbs(a->env, 2);
	if (!rc) rc = mdb_env_set_mapsize(a->env, map_bytes(a));
	if (!rc)
		rc = mdb_env_open(a->env, a->part, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOMETASYNC,
			0666);
	if (!rc) rc = mdb_txn_begin(a->env, NULL, 0, &a->txn);
	if (!rc) rc = mdb_dbi_open(a->txn, STORE_META, MDB_CREATE, &a->meta);
	if (!rc) rc = mdb_dbi_open(a->txn, STORE_DATA, MDB_CREATE, &a->data);
	if (!rc) return 0;
	end_txn(a);
	return store_fail(a->part, "open for writing", rc);
}

static int commit(struct append *a)
{
	int rc = mdb_txn_commit(a->txn);

	a->txn = NULL;
	end_txn(a);
	if (rc) return store_fail(a->part, "write", rc);
	a->committed = a->blocks;
	return 0;
}

static int meta_put(struct append *a, const char *name, void *bytes, size_t n)
{
	MDB_val k = { strlen(name), (void *)(uintptr_t)name }, v = { n, bytes };

	if (!a->txn && begin_txn(a)) return -1;
	int rc = mdb_put(a->txn, a->meta, &k, &v, 0);
	return rc ? store_fail(a->part, name, rc) : 0;
}

int append_put(struct append *a, const struct block *b, uint64_t id)
{
	uint64_t number = __builtin_bswap64((uint64_t)a->blocks);
	size_t bytes = store_value_bytes(&a->info, b->n);
	MDB_val k = { 8, &number }, v = { bytes, NULL };

	if (a->sealed) return fail("%s: complete already, and another row comes", a->part);
	if (!a->txn && begin_txn(a)) return -1;
	int rc = mdb_put(a->txn, a->data, &k, &v, MDB_APPEND | MDB_RESERVE);
	if (rc) return store_fail(a->part, "write", rc);
	frame_put(v.mv_data, &a->info, b, id);
	size_t used = frame_bytes(&a->info, b->n);
	memset((char *)v.mv_data + used, 0, bytes - used);
	a->blocks++;
	return a->blocks % BLOCKS_A_COMMIT ? 0 : commit(a);
}

/* Reads all rows of a part left behind again, comparing with the ids of its blocks. */
static int part_hash(struct append *a, struct store *s, struct held *held)
{
	struct hash *hash = &held->hash, first;
	struct block b;
	uint64_t id;

	for (int64_t i = 0; i < store_blocks(s); i++, held->rows += b.n) {
		if (store_block(s, i, &b, &id)) return -1;
		if (!i) {
			struct block one = b;
			one.n = 1;
			hash_start(&first);
			frame_hash(&first, &a->info, &one);
			held->first = hash_end(&first);
		}
		frame_hash(hash, &a->info, &b);
		if (hash_end(hash) != id)
			return fail("%s: block %lld is damaged", a->part, (long long)i);
	}
	return 0;
}

static bool same_head(const struct rows_info *a, const struct rows_info *b)
{
	unsigned char head[FRAME_HEAD_MAX], other[FRAME_HEAD_MAX];
	size_t bytes = frame_head_put(head, a);

	return frame_head_put(other, b) == bytes && !memcmp(head, other, bytes);
}

bool append_is_same(const char *path, const struct rows_info *info)
{
	struct rows_info there, want = *info;
	struct store *s;

	if (store_open(&s, path, &there, false)) return false;
	store_close(s);
	there.count = want.count = -1;
	return same_head(&there, &want);
}

/* Names the first meta line in which the part is another command's. */
static int fail_other(const struct append *a, const struct rows_info *left)
{
	const char *was = left->meta, *now = a->info.meta;
	size_t n = strcspn(was, "\n"), m = strcspn(now, "\n");

	while (*was && n == m && !strncmp(was, now, n)) {
		was += n + 1, now += n + 1;
		n = strcspn(was, "\n"), m = strcspn(now, "\n");
	}
	if (!*was && !*now)
		return fail("%s: left by a command on other rows (-f starts afresh)", a->part);
	return fail("%s: left by a command with '%.*s', now '%.*s' (-f starts afresh)", a->part,
		(int)n, was, (int)m, now);
}

/* What a writer left behind: 1 taken up, 0 of no use, -1 rows that are worth their time: of another
 * command, or not to be read now because a call of the system failed. */
static int take_up(struct append *a, bool resume, struct held *held)
{
	struct rows_info info, plain;
	struct store *s;
	struct stat st;
	int got = 0;

	if (fstat(a->lock, &st)) return fail("%s: stat:", a->part);
	if (!st.st_size) return 0;
	errno = 0;
	if (store_open(&s, a->part, &info, true)) return errno ? -1 : 0;
	plain = info;
	plain.count = -1;
	if (same_head(&plain, &a->info)) {
		got = resume && !part_hash(a, s, held);
	} else if (store_blocks(s) && !a->force) {
		got = fail_other(a, &info);
	}
	if (got > 0) a->blocks = a->committed = store_blocks(s);
	a->sealed = got > 0 && info.count >= 0;
	store_close(s);
	return got;
}

/* A new part has its head committed at once: it says whose the part is. */
static int start(struct append *a)
{
	unsigned char head[FRAME_HEAD_MAX];

	if (ftruncate(a->lock, 0)) return fail("%s:", a->part);
	size_t bytes = frame_head_put(head, &a->info);
	return meta_put(a, STORE_HEAD, head, bytes) ? -1 : commit(a);
}

int append_create(struct append **out, const char *path, const struct rows_info *info, bool force,
	bool resume, struct held *held)
{
	struct append *a = mem_new(1, sizeof *a);

	*out = NULL;
	*held = (struct held){ .rows = 0 };
	hash_start(&held->hash);
	*a = (struct append){ .path = mem_text("%s", path), .part = mem_text("%s.part", path),
		.info = *info, .lock = -1, .force = force,
		.resume = resume };
	a->info.count = -1;
	if (!part_check(path, force)) a->lock = lock_open(a->part);
	if (a->lock < 0) goto fail;
	int got = take_up(a, resume, held);
	if (got < 0) goto fail;
	a->ours = true;
	if (!got) {
		*held = (struct held){ .rows = 0 };
		hash_start(&held->hash);
		if (start(a)) goto fail;
	}
	if (resume) stop_keeps();
	*out = a;
	return 0;
fail:
	append_close(a);
	return -1;
}

/* LMDB may leave the file shorter than the last page it counts; a sealed store has all of them. */
static int finish(struct append *a)
{
	int64_t bytes = pages_bytes(a->part);

	if (bytes < 0) return -1;
	if (ftruncate(a->lock, bytes) || fsync(a->lock)) return store_fail(a->part, "write", errno);
	if (part_check(a->path, a->force)) return -1;
	if (rename(a->part, a->path)) return fail("%s: rename:", a->path);
	a->renamed = true;
	return 0;
}

int append_seal(struct append *a, int64_t total, uint64_t id)
{
	struct frame_end e = frame_end(total, id);

	if (!a->sealed && (meta_put(a, STORE_END, &e, sizeof e) || commit(a))) return -1;
	a->sealed = true;
	return finish(a) || part_sync_folder(a->path) ? -1 : 0;
}

void append_close(struct append *a)
{
	if (!a) return;
	end_txn(a);
	if (a->lock >= 0) {
		if (a->ours && !a->renamed && !(a->resume && a->committed)) unlink(a->part);
		close(a->lock);
	}
	free(a->path);
	free(a->part);
	free(a);
}
