/* diffaug: differentiable augmentation as tape ops. */
#include "lib/gan/diffaug.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <stdlib.h>
#include <string.h>

static const char *const words[] = { "", "color", "translation", "cutout" };

int diffaug_parse(struct diffaug_policy *p, const char *text)
{
	*p = (struct diffaug_policy){ 0 };
	for (int n = 0; text; n++) {
		size_t len = strcspn(text, ",");
		int k = DIFFAUG_COLOR;
		while (k < DIFFAUG_KINDS &&
		       (strlen(words[k]) != len || strncmp(words[k], text, len)))
			k++;
		if (k == DIFFAUG_KINDS)
			return fail("found '%.*s', expected color, translation or cutout",
				    (int)len, text);
		for (int i = 0; i < n; i++)
			if ((int)p->kind[i] == k)
				return fail("found '%s' twice", words[k]);
		p->kind[n] = (enum diffaug_kind)k;
		text = text[len] ? text + len + 1 : NULL;
	}
	return 0;
}

int diffaug_open(struct diffaug *a, const struct diffaug_policy *p, int batch, int side)
{
	size_t pixels = (size_t)batch * (size_t)side * (size_t)side;

	*a = (struct diffaug){ .policy = *p, .batch = batch, .side = side };
	/* whole numbers of a float end there */
	if (p->kind[0] != DIFFAUG_END && pixels > 1 << 24)
		return fail("%d pictures of %d pixels: too many to augment at a time, expected %d "
			    "at most", batch, side, (1 << 24) / (side * side));
	return 0;
}

size_t diffaug_bytes(const struct diffaug *a)
{
	size_t each = 3 + 2 * (size_t)a->side * (size_t)a->side;

	return a->policy.kind[0] == DIFFAUG_END ? 0 : (size_t)a->batch * each * sizeof(real);
}

int diffaug_reserve(struct diffaug *a)
{
	size_t n = (size_t)a->batch, pixels = n * (size_t)a->side * (size_t)a->side;

	if (a->policy.kind[0] == DIFFAUG_END) return 0;
	a->brightness = mem_new(n, sizeof *a->brightness);
	a->saturation = mem_new(n, sizeof *a->saturation);
	a->contrast = mem_new(n, sizeof *a->contrast);
	a->from = mem_big(pixels, sizeof *a->from, "augmentation");
	a->seen = mem_big(pixels, sizeof *a->seen, "augmentation");
	return a->from && a->seen ? 0 : -1;
}

void diffaug_close(struct diffaug *a)
{
	real *const all[] = { a->brightness, a->saturation, a->contrast, a->from, a->seen };

	for (size_t i = 0; i < LEN(all); i++) free(all[i]);
	*a = (struct diffaug){ 0 };
}

/* mean + (x - mean) by */
static val around(struct tape *t, val x, struct shape of_mean, val by)
{
	double n = (double)shape_count(tape_shape(t, x)) / (double)shape_count(of_mean);
	val mean = scale(t, sum_to(t, x, of_mean), 1 / n, 0);
	return add(t, mul(t, sub(t, x, mean), by), mean);
}

static val color(struct diffaug *a, struct tape *t, val x)
{
	struct shape one = shape4(a->batch, 1, 1, 1);

	x = add(t, x, input(t, one, a->brightness));
	x = around(t, x, shape4(a->batch, a->side, a->side, 1), input(t, one, a->saturation));
	return around(t, x, one, input(t, one, a->contrast));
}

/* Pixels are rows of a table that ends in a row of zeros. */
static val translation(struct diffaug *a, struct tape *t, val x)
{
	int pixels = a->batch * a->side * a->side;
	val table = pad(t, reshape(t, x, shape4(pixels, 1, 1, 3)), 0, 0, 1);
	val y = pick(t, table, input(t, shape4(pixels, 1, 1, 1), a->from));
	return reshape(t, y, shape4(a->batch, a->side, a->side, 3));
}

val diffaug_build(struct diffaug *a, struct tape *t, val x)
{
	for (int i = 0; i < DIFFAUG_KINDS; i++)
		switch (a->policy.kind[i]) {
		case DIFFAUG_COLOR: x = color(a, t, x); break;
		case DIFFAUG_TRANSLATION: x = translation(a, t, x); break;
		case DIFFAUG_CUTOUT:
			x = mul(t, x, input(t, shape4(a->batch, a->side, a->side, 1), a->seen));
			break;
		default: return x;
		}
	return x;
}

/* round(part * side), as the reference rounds. */
static int part_of(int side, double part)
{
	return (int)(part * side + 0.5);
}

void diffaug_set(struct diffaug *a, int i, const struct diffaug_draw *d)
{
	int R = a->side, size = part_of(R, 0.5);

	if (a->policy.kind[0] == DIFFAUG_END) return;
	a->brightness[i] = (real)d->brightness;
	a->saturation[i] = (real)d->saturation;
	a->contrast[i] = (real)d->contrast;
	for (int h = 0; h < R; h++)
		for (int w = 0; w < R; w++) {
			int y = h + d->down, x = w + d->right, at = (i * R + h) * R + w;
			bool inside = y >= 0 && y < R && x >= 0 && x < R;
			bool cut = h >= d->top && h < d->top + size && w >= d->left &&
				   w < d->left + size;
			a->from[at] = (real)(inside ? (i * R + y) * R + x : a->batch * R * R);
			a->seen[at] = !cut;
		}
}

/* The square's middle is anywhere from 0 to side, or side - 1 when its size is odd. */
struct diffaug_draw diffaug_random(struct rng *r, int side)
{
	int reach = part_of(side, 0.125), size = part_of(side, 0.5);
	uint32_t shifts = 2 * (uint32_t)reach + 1, middles = (uint32_t)(side + 1 - size % 2);
	struct diffaug_draw d;

	d.brightness = rng_uniform(r) - 0.5;
	d.saturation = 2 * rng_uniform(r);
	d.contrast = 0.5 + rng_uniform(r);
	d.down = (int)rng_below(r, shifts) - reach;
	d.right = (int)rng_below(r, shifts) - reach;
	d.top = (int)rng_below(r, middles) - size / 2;
	d.left = (int)rng_below(r, middles) - size / 2;
	return d;
}
