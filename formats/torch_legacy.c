/* torch_legacy: pickles one after another: a magic number, the protocol, the byte order, the
 * tensors, the keys of the storages; then for each key the number of its elements and these. */
#include "formats/torch.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum { PROTOCOL = 1001 };

struct storage {
	const char *key;
	uint32_t key_bytes;
	struct torch_type type;
	int64_t count;
	const uint8_t *bytes;                /* NULL until found */
};

struct legacy {
	const char *path;
	const uint8_t *p, *end;              /* what is left */
	struct pickle tree;                  /* the tensors */
	struct storage *s;                   /* sorted by key */
	size_t n;
};

/* The pickle of the number 0x1950a86a20f9469cfc6c, but for its protocol. */
static const char magic[] = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
enum { MAGIC_BYTES = sizeof magic - 1, NUMBER = 2, NUMBER_BYTES = 10, HEAD_BYTES = 32 };

bool torch_is_legacy(const void *bytes, size_t n)
{
	return memmem(bytes, n < HEAD_BYTES ? n : HEAD_BYTES, magic, MAGIC_BYTES);
}

static int next_pickle(struct legacy *l, struct pickle *to)
{
	if (pickle_read(to, l->path, l->p, (size_t)(l->end - l->p))) return -1;
	l->p += to->used;
	return 0;
}

/* The magic number, 1001 and {..., "little_endian": True, ...}, as pickles. */
static int read_head(struct legacy *l)
{
	struct pickle a = { 0 }, b = { 0 }, c = { 0 };
	int bad = next_pickle(l, &a);

	if (!bad && (a.root->kind != PICKLE_BIG || a.root->n != NUMBER_BYTES ||
			memcmp(a.root->text, magic + NUMBER, NUMBER_BYTES)))
		bad = fail("%s: found a pickle, but not one of PyTorch's tensors", l->path);
	bad = bad || next_pickle(l, &b);
	if (!bad && (b.root->kind != PICKLE_INT || b.root->i != PROTOCOL))
		bad = fail("%s: another protocol than %d", l->path, PROTOCOL);
	bad = bad || next_pickle(l, &c);
	if (!bad) {
		bool little = false;
		for (uint32_t i = 0; c.root->kind == PICKLE_DICT && i < c.root->n; i += 2)
			if (pickle_says(c.root->child[i], "little_endian"))
				little = c.root->child[i + 1]->kind == PICKLE_BOOL &&
					c.root->child[i + 1]->i;
		if (!little) bad = fail("%s: not of a little-endian machine", l->path);
	}
	pickle_free(&a);
	pickle_free(&b);
	pickle_free(&c);
	return bad;
}

static int by_key(const void *a, const void *b)
{
	const struct storage *s = a, *t = b;
	uint32_t n = s->key_bytes < t->key_bytes ? s->key_bytes : t->key_bytes;
	int order = memcmp(s->key, t->key, n);

	if (order) return order;
	return s->key_bytes < t->key_bytes ? -1 : s->key_bytes > t->key_bytes;
}

static struct storage *find(const struct legacy *l, const struct pickle_item *key)
{
	struct storage want = { .key = key->text, .key_bytes = key->n };
	if (!l->n) return NULL;
	return bsearch(&want, l->s, l->n, sizeof want, by_key);
}

/* ("storage", class, key, device, elements, None or (key, offset, elements) of a part) */
static int read_id(const struct legacy *l, const struct pickle_item *id, struct storage *s)
{
	if (torch_tuple(l->path, id, 6, "a storage's id")) return -1;
	if (id->n != 6 || !pickle_says(id->child[0], "storage"))
		return fail("%s: found an id of something else than a storage", l->path);
	if (id->child[2]->kind != PICKLE_TEXT)
		return fail("%s: found a storage key that is no text", l->path);
	if (torch_type_of(l->path, id->child[1], "Storage", &s->type)) return -1;
	s->key = id->child[2]->text;
	s->key_bytes = id->child[2]->n;
	s->count = torch_count(l->path, id, 4);
	return s->count < 0 ? -1 : 0;
}

/* All storages that the tensors name; one key is one storage. */
static int list_storages(struct legacy *l)
{
	const struct pickle *tree = &l->tree;
	size_t kept = 0;

	l->s = mem_new((size_t)tree->n_ids, sizeof *l->s);
	for (; l->n < (size_t)tree->n_ids; l->n++)
		if (read_id(l, tree->ids[l->n]->child[0], &l->s[l->n])) return -1;
	qsort(l->s, l->n, sizeof *l->s, by_key);
	for (size_t i = 0; i < l->n; i++) {
		struct storage *last = kept ? &l->s[kept - 1] : NULL, *s = &l->s[i];
		if (!last || by_key(last, s)) l->s[kept++] = *s;
		else if (last->type.size != s->type.size || last->type.type != s->type.type ||
			last->count != s->count)
			return fail("%s: one storage has two types or lengths", l->path);
	}
	l->n = kept;
	return 0;
}

/* Behind the keys: for each an int64 of elements, and these. */
static int place_storages(struct legacy *l, const struct pickle_item *keys)
{
	if (keys->kind != PICKLE_LIST) return fail("%s: no list of storage keys", l->path);
	for (uint32_t i = 0; i < keys->n; i++) {
		uint64_t count;
		struct storage *s = NULL;
		if (keys->child[i]->kind == PICKLE_TEXT) s = find(l, keys->child[i]);
		if (!s || s->bytes)
			return fail("%s: storage key %u names none or one named before", l->path,
				(unsigned)i);
		if (l->end - l->p < 8) return fail("%s: cut short in the storages", l->path);
		memcpy(&count, l->p, sizeof count);
		count = le64toh(count);
		l->p += 8;
		if (count != (uint64_t)s->count)
			return fail("%s: a storage of %llu elements, expected %lld", l->path,
				(unsigned long long)count, (long long)s->count);
		if (count > (uint64_t)(l->end - l->p) / s->type.size)
			return fail("%s: cut short in a storage of %llu elements", l->path,
				(unsigned long long)count);
		s->bytes = l->p;
		l->p += count * s->type.size;
	}
	if (l->p != l->end) return fail("%s: found bytes after the last storage", l->path);
	return 0;
}

/* A storage, or a part of it, by its id. */
static int take(const struct legacy *l, const struct pickle_item *id, struct torch_view *v)
{
	const struct storage *s = find(l, id->child[2]);
	const struct pickle_item *part = id->child[5];

	if (!s || !s->bytes) return fail("%s: a storage whose bytes are not there", l->path);
	v->type = s->type;
	v->storage = s->bytes;
	v->count = s->count;
	if (part->kind == PICKLE_NONE) return 0;
	if (torch_tuple(l->path, part, 3, "the part of a storage")) return -1;
	int64_t from = torch_count(l->path, part, 1), n = torch_count(l->path, part, 2);
	if (from < 0 || n < 0) return -1;
	if (from > s->count || n > s->count - from)
		return fail("%s: elements %lld and %lld more of a storage of %lld", l->path,
			(long long)from, (long long)n, (long long)s->count);
	v->storage = s->bytes + (size_t)from * s->type.size;
	v->count = n;
	return 0;
}

static int resolve(struct torch_reader *r, const struct pickle_item *id, struct torch_view *v)
{
	return take(r->ctx, id, v);
}

static int open_legacy(struct legacy *l, const char *path, const void *bytes, size_t n)
{
	struct pickle keys = { 0 };

	*l = (struct legacy){ .path = path, .p = bytes, .end = (const uint8_t *)bytes + n };
	int bad = read_head(l) || next_pickle(l, &l->tree) || list_storages(l) ||
		next_pickle(l, &keys) || place_storages(l, keys.root);
	pickle_free(&keys);
	return bad;
}

static void close_legacy(struct legacy *l)
{
	free(l->s);
	pickle_free(&l->tree);
}

int torch_legacy(struct tensors *t, const void *bytes, size_t n)
{
	struct legacy l;
	struct torch_reader r = { .to = t, .ctx = &l, .resolve = resolve, .file_bytes = n };

	int bad = open_legacy(&l, t->path, bytes, n) || torch_state(&r, l.tree.root);
	close_legacy(&l);
	return bad ? -1 : 0;
}

int torch_legacy_storage(const char *path, const void *bytes, size_t n, struct torch_view *v)
{
	struct legacy l;
	int bad = open_legacy(&l, path, bytes, n);

	if (!bad && l.tree.root->kind != PICKLE_ID)
		bad = fail("%s: found other values than a storage", path);
	bad = bad || take(&l, l.tree.root->child[0], v);
	close_legacy(&l);
	return bad ? -1 : 0;
}
