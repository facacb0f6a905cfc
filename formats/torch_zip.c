/* torch_zip: a zip of PREFIX/data.pkl, which describes the tensors, and PREFIX/data/KEY, the bytes
 * of each storage. */
#include "formats/torch.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 4096 };

struct archive {
	const struct zip *zip;
	int prefix;                          /* length of "NAME/" */
	const char *named;                   /* an entry's name, for its prefix */
	const void **bytes;                  /* of each entry read so far */
	bool script;                         /* of TorchScript: has constants.pkl */
};

static bool ends(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);
	return n >= m && !strcmp(name + n - m, end);
}

/* The entry's bytes, unpacked once and kept by t; NULL after fail(). */
static const void *entry_bytes(struct archive *a, struct tensors *t, const struct zip_entry *e)
{
	const void **p = &a->bytes[e - a->zip->entry];
	void *owned;

	if (*p) return *p;
	*p = zip_read(a->zip, e, &owned);
	if (owned) tensors_own(t, owned);
	return *p;
}

static const struct zip_entry *find(const struct archive *a, const char *leaf, int n)
{
	char name[NAME_MAX_BYTES];
	int length = snprintf(name, sizeof name, "%.*s%.*s", a->prefix, a->named, n, leaf);

	return length < NAME_MAX_BYTES ? zip_find(a->zip, name) : NULL;
}

/* ("storage", class, key, device, elements) */
static int resolve(struct torch_reader *r, const struct pickle_item *id, struct torch_view *v)
{
	struct archive *a = r->ctx;
	const char *path = r->to->path;
	char leaf[64];

	if (torch_tuple(path, id, 5, "a storage's id")) return -1;
	if (id->n != 5 || !pickle_says(id->child[0], "storage"))
		return fail("%s: found an id of something else than a storage", path);
	const struct pickle_item *key = id->child[2];
	if (torch_type_of(path, id->child[1], "Storage", &v->type) ||
	    (v->count = torch_count(path, id, 4)) < 0)
		return -1;
	if (key->kind != PICKLE_TEXT || !key->n || key->n > 32 || memchr(key->text, '/', key->n) ||
	    memchr(key->text, 0, key->n))
		return fail("%s: found a storage key that is no short name", path);
	int n = snprintf(leaf, sizeof leaf, "data/%.*s", (int)key->n, key->text);
	const struct zip_entry *e = find(a, leaf, n);
	if (!e) return fail("%s: no entry %s for a storage", path, leaf);
	if (e->bytes % v->type.size || e->bytes / v->type.size != (size_t)v->count)
		return fail("%s: %s: found %zu bytes, expected %lld elements of %zu", path, e->name,
			e->bytes, (long long)v->count, v->type.size);
	v->storage = entry_bytes(a, r->to, e);
	return v->storage ? 0 : -1;
}

/* The one entry PREFIX/data.pkl, for its prefix. */
static const struct zip_entry *find_pickle(struct archive *a)
{
	const struct zip_entry *found = NULL;

	for (int i = 0; i < a->zip->count; i++) {
		const struct zip_entry *e = &a->zip->entry[i];
		if (ends(e->name, "/constants.pkl")) a->script = true;
		if (!ends(e->name, "/data.pkl") && strcmp(e->name, "data.pkl")) continue;
		if (found) {
			fail("%s: found both %s and %s", a->zip->path, found->name, e->name);
			return NULL;
		}
		found = e;
	}
	if (!found) {
		fail("%s: found a zip without data.pkl, which is no file of PyTorch", a->zip->path);
		return NULL;
	}
	a->named = found->name;
	a->prefix = (int)(strlen(found->name) - strlen("data.pkl"));
	return found;
}

static int check_order(struct archive *a, struct tensors *t)
{
	const struct zip_entry *e = find(a, "byteorder", 9);

	if (!e) return 0;
	const char *order = entry_bytes(a, t, e);
	if (!order) return -1;
	if (e->bytes == 6 && !memcmp(order, "little", 6)) return 0;
	return fail("%s: the byte order is not \"little\"", t->path);
}

static int read_tree(struct archive *a, struct tensors *t, bool script)
{
	const struct zip_entry *e = find_pickle(a);
	struct pickle tree;

	if (!e) return -1;
	if (a->script && !script)
		return fail("%s: found a TorchScript program, expected a state_dict", t->path);
	if (check_order(a, t)) return -1;
	const void *bytes = entry_bytes(a, t, e);
	if (!bytes || pickle_read(&tree, t->path, bytes, e->bytes)) return -1;
	struct torch_reader r = { .to = t, .ctx = a, .resolve = resolve,
		.file_bytes = a->zip->n };
	int bad = tree.used != e->bytes ?
		fail("%s: found bytes after the pickle's end", t->path) :
		a->script ? torch_script(&r, tree.root) : torch_state(&r, tree.root);
	pickle_free(&tree);
	return bad;
}

int torch_zip(struct tensors *t, const struct zip *z, bool script)
{
	struct archive a = { .zip = z };

	a.bytes = mem_new((size_t)z->count, sizeof *a.bytes);
	int bad = read_tree(&a, t, script);
	free(a.bytes);
	return bad;
}
