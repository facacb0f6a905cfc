/* shelf: rows are rounded by all threads, some at a time, and go to the device in order. */
#include "lib/stat/shelf.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"
#include "lib/base/par.h"
#include "lib/base/say.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STAGED = 1024, FEW = 16 };            /* rows on their way, and those of one thread */
enum number { NORM, REST, BIAS, BAR, NUMBERS };

/* Losses add the rounding of x', of their own sums and of scores, 2^-20 of the norm, and of
 * x - mean in double.  In a sum of n products each addition loses at most 2^-23 of the largest
 * partial sum, which |x||y| bounds, on tensor cores, too, which cut digits off; twice n of that,
 * half of it in the loss of either row, leaves room for what they add at once. */
#define LOOSE (1 + 0x1p-20)
#define ROUNDING 0x1p-20
#define SUM 0x1p-23
#define TINY 0x1p-45

static size_t rows_of(const struct shelf *s)
{
	return (size_t)s->slots * (size_t)s->side + (size_t)s->extra;
}

/* As many blocks as fit, at most all. */
static int take_device(struct shelf *s, int least)
{
	int64_t blocks = (s->set->count + s->side - 1) / s->side;

	s->slots = blocks < least ? least : (int)blocks;
	for (;; s->slots = s->slots / 2 < least ? least : s->slots / 2) {
		size_t n = rows_of(s), bytes = n * (size_t)s->wide * sizeof *s->bits;
		s->bits = backend_take(s->device, bytes);
		s->number = s->bits ? backend_take(s->device, n * NUMBERS * sizeof(float)) : NULL;
		if (s->number) return 0;
		backend_give(s->device, s->bits);
		s->bits = NULL;
		if (s->slots == least)
			return fail("no memory for %.1f MiB of rows on the device",
				(double)bytes / 1048576);
	}
}

int shelf_open(struct shelf *s, int least)
{
	size_t width = (size_t)s->set->width;

	s->fault.at = -1;
	s->wide = (s->set->width + SIFT_DEEP - 1) / SIFT_DEEP * SIFT_DEEP;
	if (take_device(s, least)) return -1;
	s->held = mem_new((size_t)s->slots, sizeof *s->held);
	s->loss = mem_big(rows_of(s), sizeof *s->loss, "what rows lose");
	s->staged = mem_big(STAGED, (size_t)s->wide * sizeof *s->staged, "rows in bf16");
	s->value = mem_new((size_t)(s->side > s->extra ? s->side : s->extra), sizeof *s->value);
	s->row = mem_big((size_t)par_threads(), 2 * width * sizeof *s->row, "a few rows");
	shelf_forget(s);
	return s->loss && s->staged && s->row ? 0 : -1;
}

void shelf_close(struct shelf *s)
{
	if (s->device) {
		backend_give(s->device, s->bits);
		backend_give(s->device, s->number);
	}
	free(s->held);
	free(s->loss);
	free(s->staged);
	free(s->value);
	free(s->row);
	*s = (struct shelf){ 0 };
}

void shelf_forget(struct shelf *s)
{
	for (int i = 0; i < s->slots; i++) s->held[i] = -1;
}

/* The upper half of the nearest float of 8 bits, ties to even; rows are finite. */
static uint16_t to_bf16(float x, float *lost)
{
	uint32_t u, kept;
	float near;

	memcpy(&u, &x, sizeof u);
	kept = (u + 0x7fff + (u >> 16 & 1)) & 0xffff0000;
	memcpy(&near, &kept, sizeof near);
	*lost = x - near;
	return (uint16_t)(kept >> 16);
}

/* x[width] to bits[wide]; returns the square of what is lost. */
static double round_row(const float *x, int width, int wide, uint16_t *bits)
{
	double sum = 0;

	for (int i = 0; i < width; i++) {
		float lost;
		bits[i] = to_bf16(x[i], &lost);
		sum += (double)lost * (double)lost;
	}
	memset(bits + width, 0, (size_t)(wide - width) * sizeof *bits);
	return sum;
}

/* Rows being loaded: the place of the first, and its position. */
struct load { struct shelf *s; size_t place; const uint32_t *at; int64_t first; int n; };

static void load_row(const struct load *l, int i, int64_t row, const float *x, float *room)
{
	struct shelf *s = l->s;
	int width = s->set->width;
	double square, by = ground_scale(s->ground, s->set, row);
	double addend = ground_centre(s->ground, by, x, room, &square), norm = sqrt(square);
	double lost = round_row(room, width, s->wide, s->staged + (size_t)i * (size_t)s->wide);
	double rest = sqrt(lost) * LOOSE + (ROUNDING + s->wide * SUM) * norm + TINY;

	s->loss[l->place + (size_t)i] = (struct loss){
		.norm = (float)((norm + rest / 2) * (1 + ROUNDING)),
		.rest = (float)(rest * (1 + ROUNDING)),
		.bias = (float)(addend + fabs(addend) * ROUNDING),
		.addend = addend };
}

static void load_few(void *ctx, int64_t part, int worker)
{
	const struct load *l = ctx;
	struct shelf *s = l->s;
	int from = (int)part * FEW, end = l->n - from < FEW ? l->n : from + FEW;
	float *room = s->row + (size_t)worker * 2 * (size_t)s->set->width;

	for (int i = from; i < end; i++) {
		int64_t row = l->at ? l->at[i] : l->first + i;
		const float *x = knn_row(s->set, row, room + s->set->width);
		if (!x) {
			fault_at(&s->fault, row);
			return;
		}
		load_row(l, i, row, x, room);
	}
}

static float *number_at(const struct shelf *s, enum number which, size_t place)
{
	return s->number + (size_t)which * rows_of(s) + place;
}

/* The losses of n rows to the device. */
static void put_numbers(struct shelf *s, size_t place, int n)
{
	for (int which = NORM; which <= BIAS; which++) {
		for (int i = 0; i < n; i++) {
			const struct loss *l = &s->loss[place + (size_t)i];
			s->value[i] = which == NORM ? l->norm : which == REST ? l->rest : l->bias;
		}
		backend_put(s->device, number_at(s, (enum number)which, place), s->value,
			(size_t)n * sizeof *s->value);
	}
}

/* n rows to that place. */
static int load(struct shelf *s, size_t place, const uint32_t *at, int64_t first, int n)
{
	size_t wide = (size_t)s->wide;

	for (int from = 0; from < n; from += STAGED) {
		struct load l = { s, place + (size_t)from, at ? at + from : NULL, first + from,
			n - from < STAGED ? n - from : STAGED };
		if (stop_check()) return -1;
		par_for((l.n + FEW - 1) / FEW, &l, load_few);
		if (fault_told(&s->fault)) return -1;
		backend_put(s->device, s->bits + l.place * wide, s->staged,
			(size_t)l.n * wide * sizeof *s->staged);
	}
	put_numbers(s, place, n);
	return 0;
}

static struct shelf_rows rows_at(const struct shelf *s, size_t place, int n)
{
	return (struct shelf_rows){ .loss = s->loss + place,
		.on = { .bits = s->bits + place * (size_t)s->wide,
			.norm = number_at(s, NORM, place),
			.rest = number_at(s, REST, place),
			.bias = number_at(s, BIAS, place),
			.bar = number_at(s, BAR, place),
			.n = n } };
}

static int slot_of(const struct shelf *s, int64_t block)
{
	for (int i = 0; i < s->slots; i++)
		if (s->held[i] == block) return i;
	return -1;
}

bool shelf_has(const struct shelf *s, int64_t first)
{
	return slot_of(s, first / s->side) >= 0;
}

int shelf_take(struct shelf *s, int64_t first, int n, int64_t keep, struct shelf_rows *to)
{
	int64_t block = first / s->side, begin = block * s->side, left = s->set->count - begin;
	int slot = slot_of(s, block);

	must(n >= 1 && (first + n - 1) / s->side == block);
	if (slot < 0) {
		slot = s->next++ % s->slots;
		if (keep >= 0 && s->held[slot] == keep / s->side) slot = s->next++ % s->slots;
		s->held[slot] = -1;
		if (load(s, (size_t)slot * (size_t)s->side, NULL, begin,
			    left < s->side ? (int)left : s->side))
			return -1;
		s->held[slot] = block;
	}
	*to = rows_at(s, (size_t)slot * (size_t)s->side + (size_t)(first - begin), n);
	to->first = first;
	return 0;
}

int shelf_gather(struct shelf *s, const uint32_t *at, int n, struct shelf_rows *to)
{
	size_t place = (size_t)s->slots * (size_t)s->side;

	must(n >= 1 && n <= s->extra);
	if (load(s, place, at, 0, n)) return -1;
	*to = rows_at(s, place, n);
	to->at = at;
	return 0;
}

void shelf_bars(struct shelf *s, const struct shelf_rows *r, const float *bar)
{
	backend_put(s->device, (float *)r->on.bar, bar, (size_t)r->on.n * sizeof *bar);
}
