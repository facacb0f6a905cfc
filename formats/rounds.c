/* rounds: a k-means run in a safetensors file; one that was damaged is refused, since nothing else
 * would notice. */
#include "formats/rounds.h"
#include "formats/part.h"
#include "formats/safetensors.h"
#include "lib/base/fail.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/base/say.h"

#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS, BEST, CENTRES, BEST_CENTRES, ASSIGN, PARTS };
static const char *const part_name[] = { "steps", "best", "centres", "best_centres", "assign" };
static const enum dtype part_type[] = { DT_F64, DT_F64, DT_F32, DT_F32, DT_U32 };

static void hash_text(char text[20], const struct tensor *const part[PARTS])
{
	struct hash h;

	hash_start(&h);
	for (int i = 0; i < PARTS; i++)
		hash_add(&h, part[i]->data, (size_t)part[i]->count * dtype_size(part[i]->type));
	snprintf(text, 20, "%016" PRIx64, hash_end(&h));
}

/* Numbers of a round that can be taken for what they are. */
static bool is_step(const double v[ROUNDS_STEP], double run_from)
{
	for (int i = 0; i < ROUNDS_STEP; i++) {
		if (i == ROUNDS_OBJECTIVE || i == ROUNDS_IMBALANCE || i == ROUNDS_SHIFT) continue;
		if (!(v[i] >= (i ? 0 : run_from) && v[i] <= INT_MAX && v[i] == floor(v[i])))
			return false;
	}
	return true;
}

static int find_parts(const struct tensors *t, const struct rounds *r,
	const struct tensor *part[PARTS])
{
	int64_t centres = (int64_t)r->k * r->width;
	const int64_t count[] = { 0, ROUNDS_STEP, centres, centres, r->n };

	for (int i = 0; i < PARTS; i++) {
		part[i] = tensors_find(t, part_name[i]);
		if (!part[i] || part[i]->type != part_type[i] ||
			(i != STEPS && part[i]->count != count[i]))
			return fail("%s: no tensor %s as expected", t->path, part_name[i]);
	}
	int64_t steps = part[STEPS]->count / ROUNDS_STEP;
	if (steps < 1 || steps > INT_MAX || part[STEPS]->count % ROUNDS_STEP)
		return fail("%s: %" PRId64 " numbers of rounds, expected %d for each", t->path,
			part[STEPS]->count, ROUNDS_STEP);
	return 0;
}

/* The three large parts one after the other: floats and u32 have one size. */
static int copy(struct rounds *r, const struct tensor *const part[PARTS])
{
	size_t centres = (size_t)r->k * (size_t)r->width, n = (size_t)r->n;
	float *at = r->owned = mem_big(2 * centres + n, sizeof *at, "centres");

	if (!at) return -1;
	r->centres = memcpy(at, part[CENTRES]->data, centres * sizeof *at);
	r->best_centres = memcpy(at + centres, part[BEST_CENTRES]->data, centres * sizeof *at);
	r->assign = memcpy(at + 2 * centres, part[ASSIGN]->data, n * sizeof *at);
	r->count = (int)(part[STEPS]->count / ROUNDS_STEP);
	r->step = mem_new((size_t)r->count, sizeof *r->step);
	memcpy(r->step, part[STEPS]->data, (size_t)r->count * sizeof *r->step);
	memcpy(r->best, part[BEST]->data, sizeof r->best);
	return 0;
}

static int check(const struct rounds *r, const char *path)
{
	bool good = is_step(r->best, -1);

	for (int i = 0; good && i < r->count; i++) good = is_step(r->step[i], 0);
	for (int64_t i = 0; good && i < r->n; i++) good = r->assign[i] < (uint32_t)r->k;
	return good ? 0 : fail("%s: numbers that no run has", path);
}

/* After fail(): adds what to do about the file. */
static int remove_it(void)
{
	return fail("%s; remove it to begin anew", why());
}

int rounds_load(struct rounds *r, const char *path, const char *command, bool force)
{
	const struct tensor *part[PARTS];
	struct tensors t;
	char hash[20];
	int got = -1;

	int there = part_exists(path);
	if (there <= 0) return there;
	if (tensors_open(&t, path)) return remove_it();
	const char *of = tensors_meta(&t, "command"), *want = tensors_meta(&t, "hash");
	if (!of || strcmp(of, command)) {
		tensors_close(&t);
		return force ? 0 : fail("%s: left by another command, or on other rows (-f starts "
			"afresh)", path);
	}
	if (!find_parts(&t, r, part)) {
		hash_text(hash, part);
		if (!want || strcmp(want, hash))
			fail("%s: damaged: its hash is %s, expected %s", path, hash,
				want ? want : "one");
		else if (!copy(r, part) && !check(r, path)) got = 1;
	}
	tensors_close(&t);
	if (got >= 0) {
		stop_keeps();
		return got;
	}
	rounds_close(r);
	return remove_it();
}

int rounds_save(const struct rounds *r, const char *path, const char *command)
{
	const int64_t shape[PARTS][2] = { { r->count, ROUNDS_STEP }, { ROUNDS_STEP },
		{ r->k, r->width }, { r->k, r->width }, { r->n } };
	const int rank[PARTS] = { 2, 1, 2, 2, 1 };
	const void *data[PARTS] = { r->step, r->best, r->centres, r->best_centres, r->assign };
	const struct tensor *part[PARTS];
	struct tensors t = { 0 };
	char hash[20];

	for (int i = 0; i < PARTS; i++)
		tensors_add(&t, part_name[i], part_type[i], rank[i], shape[i], data[i]);
	for (int i = 0; i < PARTS; i++) part[i] = tensors_find(&t, part_name[i]);
	hash_text(hash, part);
	tensors_add_meta(&t, "command", command);
	tensors_add_meta(&t, "hash", hash);
	int bad = tensors_save(&t, path, true);
	if (!bad) stop_keeps();
	tensors_close(&t);
	return bad;
}

void rounds_add(struct rounds *r, const double step[ROUNDS_STEP])
{
	r->step = mem_grow(r->step, (size_t)r->count + 1, sizeof *r->step);
	memcpy(r->step[r->count++], step, sizeof *r->step);
}

void rounds_close(struct rounds *r)
{
	free(r->step);
	free(r->owned);
	r->step = NULL;
	r->owned = NULL;
	r->count = 0;
}
