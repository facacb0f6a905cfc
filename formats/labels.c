/* labels: one pass over rows that keeps their keys and labels. */
#include "formats/labels.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <stdlib.h>
#include <string.h>

/* Room doubles: a stream does not say how many rows there are. */
static void add_block(struct labels *l, int64_t n, int64_t *room, const struct block *b)
{
	while (*room < n + b->n) {
		*room = *room ? 2 * *room : 1024;
		l->keys = mem_grow(l->keys, (size_t)*room, sizeof *l->keys);
		l->labels = mem_grow(l->labels, (size_t)*room, sizeof *l->labels);
	}
	memcpy(l->keys + n, b->keys, (size_t)b->n * sizeof *l->keys);
	memcpy(l->labels + n, b->labels, (size_t)b->n * sizeof *l->labels);
}

int labels_open(struct labels *l, const char *path)
{
	struct rows r;
	struct block b;
	int64_t n = 0, room = 0;
	int got;

	*l = (struct labels){ .keys = NULL };
	if (rows_open(&r, path)) return -1;
	if (!r.info.labelled) {
		fail("%s: has no labels", rows_path(&r));
		rows_close(&r);
		return -1;
	}
	while ((got = rows_next(&r, &b)) > 0) {
		add_block(l, n, &room, &b);
		n += b.n;
	}
	l->info = r.info;
	l->info.count = n;
	rows_close(&r);
	if (got < 0) labels_close(l);
	return got;
}

void labels_close(struct labels *l)
{
	free(l->keys);
	free(l->labels);
	*l = (struct labels){ .keys = NULL };
}
