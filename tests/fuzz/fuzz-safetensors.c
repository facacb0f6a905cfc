/* fuzz-safetensors: any bytes as a safetensors file; what is accepted is read to its end, saved
 * again and read back equal. */
#include "formats/safetensors.h"
#include "lib/base/fail.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void check_saved(const struct tensors *t, const char *path)
{
	struct tensors w = { 0 }, r;

	for (int i = 0; i < t->n; i++)
		tensors_add(
			&w, t->t[i].name, t->t[i].type, t->t[i].rank, t->t[i].shape, t->t[i].data);
	for (int i = 0; i < t->n_meta; i++) tensors_add_meta(&w, t->meta[i].name, t->meta[i].value);
	must(!tensors_save(&w, path, true) && !tensors_open(&r, path));
	must(r.n == t->n && r.n_meta == t->n_meta);
	for (int i = 0; i < t->n; i++) {
		const struct tensor *a = &t->t[i], *b = tensors_find(&r, a->name);
		must(b && a->type == b->type && a->rank == b->rank && a->count == b->count);
		must(!a->count ||
			!memcmp(a->data, b->data, (size_t)a->count * dtype_size(a->type)));
	}
	tensors_close(&r);
	tensors_close(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static int from = -1;
	char path[64], again[64];
	struct tensors t;

	if (from < 0) from = memfd_create("from", 0);
	must(from >= 0 && !ftruncate(from, 0) && pwrite(from, bytes, n, 0) == (ssize_t)n);
	snprintf(path, sizeof path, "/proc/self/fd/%d", from);
	snprintf(again, sizeof again, "/tmp/fuzz-safetensors.%d", (int)getpid());
	if (tensors_open(&t, path)) return 0;
	check_saved(&t, again);
	unlink(again);
	tensors_close(&t);
	return 0;
}
