/* rows_export: rows as arrays that others read. */
#include "formats/rows_export.h"
#include "formats/npy.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int rows_export_npy(const struct table *t, const char *out, bool force)
{
	static const enum dtype types[] = { [ROWS_U8] = DT_U8, [ROWS_F32] = DT_F32,
		[ROWS_F16] = DT_F16, [ROWS_U32] = DT_U32, [ROWS_NEAR] = DT_U32 };
	const struct rows_info *r = &t->info;
	struct tensor a = { .type = types[r->type], .rank = 2, .shape = { r->count, r->width },
		.data = t->data, .count = r->count * r->width };

	if (r->type == ROWS_NEAR)
		return fail("%s: neighbours are two arrays: export to .safetensors", out);
	if (r->height)
		a.rank = 4, a.shape[1] = r->height, a.shape[2] = r->im_width,
		a.shape[3] = r->channels;
	return npy_write(out, &a, force);
}

/* Neighbour rows are ids then distances; as arrays they are apart. */
static void split_near(const struct table *t, uint32_t *ids, float *distances)
{
	size_t k = (size_t)t->info.width;
	const char *row = t->data;

	for (int64_t i = 0; i < t->info.count; i++, row += 8 * k) {
		memcpy(ids + (size_t)i * k, row, 4 * k);
		memcpy(distances + (size_t)i * k, row + 4 * k, 4 * k);
	}
}

static void add_meta(struct tensors *to, const struct rows_info *r)
{
	char text[17], line[sizeof r->meta], *save;

	tensors_add_meta(to, "kind", r->kind);
	snprintf(text, sizeof text, "%016" PRIx64, r->id);
	tensors_add_meta(to, "id", text);
	snprintf(text, sizeof text, "%016" PRIx64, r->from);
	tensors_add_meta(to, "from", text);
	snprintf(text, sizeof text, "%016" PRIx64, rows_root(r));
	tensors_add_meta(to, "root", text);
	strcpy(line, r->meta);
	for (char *m = strtok_r(line, "\n", &save); m; m = strtok_r(NULL, "\n", &save)) {
		char *value = strchr(m, '=');
		*value++ = 0;
		char *name = mem_text("meta.%s", m);
		tensors_add_meta(to, name, value);
		free(name);
	}
}

int rows_export_safetensors(const struct table *t, const char *out, bool force)
{
	static const enum dtype types[] = { [ROWS_U8] = DT_U8, [ROWS_F32] = DT_F32,
		[ROWS_F16] = DT_F16, [ROWS_U32] = DT_U32 };
	const struct rows_info *r = &t->info;
	int64_t shape[4] = { r->count, r->width };
	struct tensors to = { 0 };
	uint32_t *ids = NULL;
	float *distances = NULL;

	if (r->type == ROWS_NEAR) {
		ids = mem_big((size_t)(r->count * r->width), sizeof *ids, "neighbour ids");
		distances = mem_big((size_t)(r->count * r->width), sizeof *distances,
			"neighbour distances");
		if (!ids || !distances) goto done;
		split_near(t, ids, distances);
		tensors_add(&to, "ids", DT_U32, 2, shape, ids);
		tensors_add(&to, "distances", DT_F32, 2, shape, distances);
	} else {
		if (r->height) shape[1] = r->height, shape[2] = r->im_width, shape[3] = r->channels;
		tensors_add(&to, "rows", types[r->type], r->height ? 4 : 2, shape, t->data);
	}
	tensors_add(&to, "keys", DT_U64, 1, shape, t->keys);
	if (r->labelled) tensors_add(&to, "labels", DT_U32, 1, shape, t->labels);
	add_meta(&to, r);
done:;
	int bad = to.n ? tensors_save(&to, out, force) : -1;
	tensors_close(&to);
	free(ids);
	free(distances);
	return bad;
}
