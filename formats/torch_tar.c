/* torch_tar: the oldest files: a tar of sys_info, storages (key, class and bytes of each), tensors
 * (key, storage, shape of each) and pickle (their names). */
#include "formats/torch.h"
#include "formats/tar.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum { SYS_INFO, STORAGES, TENSORS, PICKLE, MEMBERS };

struct piece { int64_t key; struct torch_view view; };       /* a storage or a tensor */
struct pieces { struct piece *p; size_t n, room; };           /* sorted by key when complete */

struct old {
	const char *path;
	const uint8_t *p, *end;              /* what is left of a member */
	struct { const uint8_t *bytes; size_t n; } member[MEMBERS];
	struct pieces storages, tensors;
};

static int find_members(struct old *o, const void *bytes, size_t n)
{
	static const char *const names[MEMBERS] = { "sys_info", "storages", "tensors", "pickle" };
	struct tar tar;
	struct tar_member *m = mem_new(1, sizeof *m);
	int got, bad = 0;

	tar_start(&tar, o->path, bytes, n);
	while (!bad && (got = tar_next(&tar, m)) > 0) {
		int i = 0;
		while (i < MEMBERS && strcmp(m->name, names[i])) i++;
		if (i == MEMBERS || o->member[i].bytes)
			bad = fail("%s: member %.100s is not of a file of PyTorch, or twice there",
				o->path, m->name);
		else {
			o->member[i].bytes = m->bytes;
			o->member[i].n = m->size;
		}
	}
	free(m);
	if (bad || got < 0) return -1;
	for (int i = 0; i < MEMBERS; i++)
		if (!o->member[i].bytes) return fail("%s: no member %s", o->path, names[i]);
	return 0;
}

static int next_pickle(struct old *o, struct pickle *to)
{
	if (pickle_read(to, o->path, o->p, (size_t)(o->end - o->p))) return -1;
	o->p += to->used;
	return 0;
}

/* A member's first pickle: how many pieces follow. */
static int begin(struct old *o, int member, int64_t *count)
{
	struct pickle n;

	o->p = o->member[member].bytes;
	o->end = o->p + o->member[member].n;
	if (next_pickle(o, &n)) return -1;
	*count = n.root->kind == PICKLE_INT ? n.root->i : -1;
	pickle_free(&n);
	return *count < 0 ? fail("%s: a member without its count", o->path) : 0;
}

static int take_i64(struct old *o, int64_t *x)
{
	if (o->end - o->p < 8) return fail("%s: cut short in a member", o->path);
	memcpy(x, o->p, 8);
	*x = (int64_t)le64toh((uint64_t)*x);
	o->p += 8;
	return *x < 0 ? fail("%s: a size, stride or offset below 0", o->path) : 0;
}

static void add(struct pieces *to, int64_t key, const struct torch_view *v)
{
	if (to->n == to->room) {
		to->room = 2 * to->room + 64;
		to->p = mem_grow(to->p, to->room, sizeof *to->p);
	}
	to->p[to->n++] = (struct piece){ key, *v };
}

static int by_key(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;
	return x->key < y->key ? -1 : x->key > y->key;
}

static int sort(const struct old *o, struct pieces *p)
{
	if (p->n) qsort(p->p, p->n, sizeof *p->p, by_key);
	for (size_t i = 1; i < p->n; i++)
		if (p->p[i].key == p->p[i - 1].key)
			return fail("%s: key %lld is given twice", o->path, (long long)p->p[i].key);
	return 0;
}

static const struct torch_view *find(const struct old *o, const struct pieces *p, int64_t key)
{
	struct piece want = { .key = key };
	const struct piece *got = p->n ? bsearch(&want, p->p, p->n, sizeof want, by_key) : NULL;

	if (got) return &got->view;
	fail("%s: nothing has the key %lld", o->path, (long long)key);
	return NULL;
}

/* pickle (key, device, class), int64 of elements, their bytes. */
static int read_storage(struct old *o)
{
	struct pickle head;
	struct torch_view v = { 0 };

	if (next_pickle(o, &head)) return -1;
	int64_t key = -1;
	int bad = torch_tuple(o->path, head.root, 3, "a storage's head") ||
		(key = torch_count(o->path, head.root, 0)) < 0 ||
		torch_type_of(o->path, head.root->child[2], "Storage", &v.type) ||
		take_i64(o, &v.count);
	pickle_free(&head);
	if (bad) return -1;
	if (v.count > (int64_t)((size_t)(o->end - o->p) / v.type.size))
		return fail("%s: cut short in a storage of %lld elements", o->path,
			(long long)v.count);
	v.storage = o->p;
	o->p += (size_t)v.count * v.type.size;
	add(&o->storages, key, &v);
	return 0;
}

/* pickle [(key, key of the whole, offset, elements), ...]: parts of storages; parts of parts are
 * refused. */
static int read_parts(struct old *o)
{
	struct pickle list;
	size_t whole = o->storages.n;
	int bad = next_pickle(o, &list);

	if (bad) return -1;
	if (list.root->kind != PICKLE_LIST) bad = fail("%s: no list of parts", o->path);
	for (uint32_t i = 0; !bad && i < list.root->n; i++) {
		const struct pickle_item *x = list.root->child[i];
		int64_t f[4];
		bad = torch_tuple(o->path, x, 4, "a part of a storage");
		for (uint32_t k = 0; k < 4 && !bad; k++)
			bad = (f[k] = torch_count(o->path, x, k)) < 0;
		if (bad) break;
		const struct torch_view *root =
			find(o, &(struct pieces){ .p = o->storages.p, .n = whole }, f[1]);
		bad = !root;
		if (!bad && (f[2] > root->count || f[3] > root->count - f[2]))
			bad = fail("%s: a part runs past its storage", o->path);
		if (bad) break;
		struct torch_view v = *root;
		v.storage = (const uint8_t *)root->storage + (size_t)f[2] * v.type.size;
		v.count = f[3];
		add(&o->storages, f[0], &v);
	}
	pickle_free(&list);
	return bad ? -1 : 0;
}

static int read_storages(struct old *o)
{
	int64_t n;

	if (begin(o, STORAGES, &n)) return -1;
	while (n-- > 0)
		if (read_storage(o)) return -1;
	return sort(o, &o->storages) || read_parts(o) || sort(o, &o->storages) ? -1 : 0;
}

/* int32 of dimensions, 4 bytes of nothing, sizes, strides, offset. */
static int read_shape(struct old *o, struct torch_view *v)
{
	uint32_t rank;

	if (o->end - o->p < 8) return fail("%s: cut short in a tensor", o->path);
	memcpy(&rank, o->p, sizeof rank);
	v->rank = le32toh(rank);
	o->p += 8;
	if (v->rank > (int64_t)LEN(v->shape))
		return fail("%s: a tensor of %lld dimensions", o->path, (long long)v->rank);
	for (int64_t k = 0; k < v->rank; k++)
		if (take_i64(o, &v->shape[k])) return -1;
	for (int64_t k = 0; k < v->rank; k++)
		if (take_i64(o, &v->stride[k])) return -1;
	return take_i64(o, &v->at);
}

/* pickle (key, key of the storage or None, class), shape. */
static int read_tensor(struct old *o)
{
	struct pickle head;
	struct torch_view v = { 0 };
	struct torch_type type = { 0 };

	if (next_pickle(o, &head)) return -1;
	int64_t key = -1, storage = -1;
	int bad = torch_tuple(o->path, head.root, 3, "a tensor's head") ||
		(key = torch_count(o->path, head.root, 0)) < 0 ||
		torch_type_of(o->path, head.root->child[2], "Tensor", &type);
	bool empty = !bad && head.root->child[1]->kind == PICKLE_NONE;
	if (!bad && !empty) bad = (storage = torch_count(o->path, head.root, 1)) < 0;
	pickle_free(&head);
	if (bad) return -1;
	v.type = type;
	if (!empty) {
		const struct torch_view *s = find(o, &o->storages, storage);
		if (!s) return -1;
		v = *s;
		if (v.type.type != type.type || v.type.size != type.size)
			return fail("%s: a tensor of another type than its storage", o->path);
	}
	v.placed = true;
	if (read_shape(o, &v)) return -1;
	add(&o->tensors, key, &v);
	return 0;
}

static int read_tensors(struct old *o)
{
	int64_t n;

	if (begin(o, TENSORS, &n)) return -1;
	while (n-- > 0)
		if (read_tensor(o)) return -1;
	if (o->p != o->end) return fail("%s: found bytes after the last tensor", o->path);
	return sort(o, &o->tensors);
}

/* The id of a tensor is its key, as decimal text. */
static int resolve(struct torch_reader *r, const struct pickle_item *id, struct torch_view *v)
{
	const struct old *o = r->ctx;
	int64_t key = 0;

	if (id->kind != PICKLE_TEXT || !id->n)
		return fail("%s: the id of a tensor is no text", o->path);
	for (uint32_t i = 0; i < id->n; i++)
		if (id->text[i] < '0' || id->text[i] > '9' ||
		    __builtin_mul_overflow(key, 10, &key) ||
		    __builtin_add_overflow(key, id->text[i] - '0', &key))
			return fail("%s: the id of a tensor is no number", o->path);
	const struct torch_view *found = find(o, &o->tensors, key);
	if (!found) return -1;
	*v = *found;
	return 0;
}

int torch_tar(struct tensors *t, const void *bytes, size_t n)
{
	struct old o = { .path = t->path };
	struct pickle tree = { 0 };
	struct torch_reader r = { .to = t, .ctx = &o, .resolve = resolve, .file_bytes = n };

	int bad = find_members(&o, bytes, n) || read_storages(&o) || read_tensors(&o) ||
		pickle_read(&tree, t->path, o.member[PICKLE].bytes, o.member[PICKLE].n) ||
		torch_state(&r, tree.root);
	pickle_free(&tree);
	free(o.storages.p);
	free(o.tensors.p);
	return bad ? -1 : 0;
}
