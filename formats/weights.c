/* weights: which kind of file holds the tensors, by its first bytes. */
#include "formats/weights.h"
#include "formats/known.h"
#include "formats/map.h"
#include "formats/npy_dict.h"
#include "formats/tar.h"
#include "formats/torch.h"
#include "formats/zip.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <stdlib.h>
#include <string.h>

static bool is_npy_name(const char *name)
{
	size_t n = strlen(name);
	return n > 4 && !strcmp(name + n - 4, ".npy");
}

static int add_npy(struct tensors *t, const char *name, const void *bytes, size_t n)
{
	struct tensor x;

	if (npy_parse(&x, t->path, bytes, n)) return -1;
	tensors_own(t, (void *)x.data);
	tensors_add(t, name, x.type, x.rank, x.shape, x.data);
	return 0;
}

/* One array, without a name, or a dictionary of named ones. */
static int add_array(struct tensors *t, const struct map *m)
{
	struct npy_array a;

	if (npy_open(&a, t->path, m->p, m->bytes)) return -1;
	return a.type ? add_npy(t, "", m->p, m->bytes) : npy_dict(t, &a);
}

/* A zip of NAME.npy */
static int add_npz(struct tensors *t, const struct zip *z)
{
	int bad = 0;

	for (int i = 0; i < z->count && !bad; i++) {
		const struct zip_entry *e = &z->entry[i];
		void *owned;
		const void *bytes = zip_read(z, e, &owned);
		char *name = mem_text("%.*s", (int)strlen(e->name) - 4, e->name);
		bad = bytes ? add_npy(t, name, bytes, e->bytes) : -1;
		free(name);
		free(owned);
	}
	return bad;
}

static int add_zip(struct tensors *t, const struct map *m, bool script)
{
	struct zip z;
	int arrays = 0;

	if (zip_open(&z, t->path, m->p, m->bytes)) return -1;
	for (int i = 0; i < z.count; i++) arrays += is_npy_name(z.entry[i].name);
	int bad = arrays && arrays == z.count ? add_npz(t, &z) : torch_zip(t, &z, script);
	zip_close(&z);
	return bad;
}

static int add_other(struct tensors *t, const struct map *m, bool script)
{
	const uint8_t *p = m->p;

	if (zip_is(p, m->bytes)) return add_zip(t, m, script);
	if (*p == 0x80)
		return torch_is_legacy(p, m->bytes) ? torch_legacy(t, p, m->bytes) :
			torch_modules(t, p, m->bytes);
	if (m->bytes >= 6 && !memcmp(p, "\x93NUMPY", 6)) return add_array(t, m);
	if (tar_is(p, m->bytes)) return torch_tar(t, p, m->bytes);
	return fail("%s: found %s, expected safetensors or a file of PyTorch or NumPy", t->path,
		    known_as(p, m->bytes));
}

/* A length below 2^48, then the header. */
static bool is_safetensors(const char *p, size_t n)
{
	return n >= 9 && !p[6] && !p[7] && p[8] == '{';
}

bool weights_is(const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	return is_safetensors(bytes, n) || zip_is(p, n) || tar_is(p, n) ||
		(n >= 6 && (p[0] == 0x80 || !memcmp(p, "\x93NUMPY", 6)));
}

static int open_any(struct tensors *t, const char *path, bool script)
{
	struct map m;

	*t = (struct tensors){ 0 };
	if (map_open(&m, path, 1)) return -1;
	if (is_safetensors(m.p, m.bytes)) {
		map_close(&m);
		return tensors_open(t, path);
	}
	t->path = mem_text("%s", path);
	int bad = add_other(t, &m, script);
	t->map = m.p;                        /* closed with the tensors that borrow from it */
	t->map_bytes = m.bytes;
	if (bad) tensors_close(t);
	return bad;
}

int weights_open(struct tensors *t, const char *path)
{
	return open_any(t, path, false);
}

int weights_open_script(struct tensors *t, const char *path)
{
	return open_any(t, path, true);
}
