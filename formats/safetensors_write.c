/* safetensors_write: collects tensors and metadata and saves them as one safetensors file. */
#include "formats/json.h"
#include "formats/part.h"
#include "formats/safetensors.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <stdlib.h>
#include <string.h>

void tensors_add(struct tensors *t, const char *name, enum dtype type, int rank,
	const int64_t *shape, const void *data)
{
	must(!t->map && rank <= (int)LEN(t->t->shape));
	if (!(t->n & (t->n - 1)))               /* full at powers of two */
		t->t = mem_grow(t->t, t->n ? 2 * (size_t)t->n : 1, sizeof *t->t);
	struct tensor *x = &t->t[t->n++];
	*x = (struct tensor){ .type = type, .rank = rank, .count = 1, .data = data };
	x->name = mem_text("%s", name);
	for (int i = 0; i < rank; i++) x->count *= x->shape[i] = shape[i];
}

void tensors_add_made(struct tensors *t, const char *name, enum dtype type, int rank,
	const int64_t *shape, const void *(*make)(void *ctx), void *ctx)
{
	tensors_add(t, name, type, rank, shape, NULL);
	t->t[t->n - 1].make = make;
	t->t[t->n - 1].ctx = ctx;
}

void tensors_add_meta(struct tensors *t, const char *name, const char *value)
{
	must(!t->map);
	t->meta = mem_grow(t->meta, (size_t)t->n_meta + 1, sizeof *t->meta);
	t->meta[t->n_meta].name = mem_text("%s", name);
	t->meta[t->n_meta++].value = mem_text("%s", value);
}

/* Larger elements first, else as added: every tensor is then aligned to its elements. */
static int by_size(const void *a, const void *b)
{
	const struct tensor *const *s = a, *const *t = b;
	size_t m = dtype_size((*s)->type), n = dtype_size((*t)->type);

	return m != n ? (m > n ? -1 : 1) : *s < *t ? -1 : *s > *t;
}

static int put_entry(FILE *f, const struct tensor *t, size_t *at)
{
	if (json_put(f, t->name)) return -1;
	fprintf(f, ":{\"dtype\":\"%s\",\"shape\":[", dtype_name(t->type));
	for (int i = 0; i < t->rank; i++)
		fprintf(f, "%s%lld", i ? "," : "", (long long)t->shape[i]);
	size_t end = *at + (size_t)t->count * dtype_size(t->type);
	fprintf(f, "],\"data_offsets\":[%zu,%zu]}", *at, end);
	*at = end;
	return 0;
}

/* The header as text, padded with spaces so that the data begin at a multiple of 64. */
static int make_header(const struct tensors *t, const struct tensor *const *order, char **text,
	size_t *n)
{
	FILE *f = mem_stream(text, n);
	size_t at = 0;
	int bad = 0;

	fputs(t->n_meta ? "{\"__metadata__\":{" : "{", f);
	for (int i = 0; i < t->n_meta && !bad; i++) {
		if (i) putc(',', f);
		bad = json_put(f, t->meta[i].name) || (putc(':', f), json_put(f, t->meta[i].value));
	}
	if (t->n_meta) putc('}', f);
	for (int i = 0; i < t->n && !bad; i++) {
		if (i || t->n_meta) putc(',', f);
		bad = put_entry(f, order[i], &at);
	}
	putc('}', f);
	while ((8 + ftell(f)) % 64) putc(' ', f);
	mem_stream_close(f);
	return bad ? -1 : 0;
}

int tensors_save(struct tensors *t, const char *path, bool force)
{
	const struct tensor **order = mem_new((size_t)t->n, sizeof *order);
	struct part out = { 0 };
	char *head = NULL;
	size_t n = 0;

	for (int i = 0; i < t->n; i++) order[i] = &t->t[i];
	int bad = tensors_unique(t, path, false) || tensors_unique(t, path, true);
	if (t->n) qsort(order, (size_t)t->n, sizeof *order, by_size);
	bad = bad || make_header(t, order, &head, &n) || part_open(&out, path, force);
	if (!bad) {
		uint64_t length = n;
		fwrite(&length, 8, 1, out.f);
		fwrite(head, 1, n, out.f);
		for (int i = 0; i < t->n; i++)
			if (order[i]->count)
				fwrite(order[i]->make ? order[i]->make(order[i]->ctx)
						      : order[i]->data,
					dtype_size(order[i]->type), (size_t)order[i]->count, out.f);
		bad = part_close(&out);
	}
	free(head);
	free(order);
	return bad ? -1 : 0;
}
