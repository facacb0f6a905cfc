/* matrices: how much of a program's work are products of matrices, which on a GPU may be another
 * library's (kernels/cuda/lt.h): multiply-adds of training steps and of a network for features, as
 * they are planned for a device, which may be the emulated one. */
#include "lib/base/fail.h"
#include "lib/base/say.h"
#include "lib/gan/phase.h"
#include "lib/nets/resnet.h"
#include "lib/nets/together.h"
#include "lib/tape/impl.h"
#include "tests/formula.h"

#include <math.h>
#include <stdio.h>

/* Multiply-adds: all, of plain products, and of those whose rows are whole chunks. */
struct share { double all, plain, tf32, bf16; };

/* Of one tap, at each pixel, without bounds. */
static bool is_plain(const struct tape *t, const struct instr *i)
{
	const int *a = i->a.i, half = a[7];
	struct shape w = i->op == OP_conv_dw ? i->s : t->ins[i->in[1]].s;

	switch (i->op) {
	case OP_matmul: return a[0] || i->s.d[0] * i->s.d[1] * i->s.d[2] > 1;
	case OP_attention: case OP_attention_back: return true;
	case OP_conv_act:
		if (i->a.f[0] > -INFINITY || i->a.f[1] < INFINITY) return false;
		/* fall through */
	case OP_conv: if (half == CONV_UP) return false; break;
	case OP_conv_dx: if (half == CONV_DOWN) return false; break;
	case OP_conv_dw: if (half) return false; break;
	default: return false;
	}
	return w.d[0] * w.d[1] == 1 && a[0] == 1 && !(a[1] | a[2] | a[3] | a[4]);
}

static void count(struct share *to, const struct tape *t)
{
	for (int k = 0; k < t->n_steps; k++) {
		const struct instr *i = &t->ins[t->step[k].v];
		double work = (double)tape_work(t, i);
		bool given = true, made = i->op == OP_attention_back || i->s.d[3] % 4 == 0;

		to->all += work;
		if (!work || !is_plain(t, i)) continue;
		for (int j = 0; j < i->n_in; j++) given &= t->ins[i->in[j]].s.d[3] % 4 == 0;
		to->plain += work;
		if (made) to->bf16 += work;
		if (made && given) to->tf32 += work;
	}
}

static void print(const char *what, const struct share *s)
{
	printf("%s\t%.1f\t%.1f\t%.1f\t%.1f\n", what, s->all * 1e-9, 100 * s->plain / s->all,
	       100 * s->tf32 / s->all, 100 * s->bf16 / s->all);
}

static void count_training(struct backend *b, int resolution, int ch, int batch)
{
	struct model c = { .biggan = biggan_default() };
	struct recipe r = { .batch = batch, .accumulate = 1, .d_steps = 1,
			    .g = { 1e-4, 0, 0.999, 1e-6 }, .d = { 1e-4, 0, 0.999, 1e-6 } };
	struct share s = { 0 };
	struct gan g = { 0 };
	struct phases p = { 0 };
	char what[80];

	c.resolution = resolution;
	c.biggan.g_ch = c.biggan.d_ch = ch;
	if (gan_shape(&g, &c) || phase_plan(&p, &g, &r, b)) die();
	count(&s, p.d.t);
	count(&s, p.g.t);
	snprintf(what, sizeof what, "training %d %d %d", resolution, ch, batch);
	print(what, &s);
	phase_close(&p);
	gan_free(&g);
}

static val build(void *none, struct folded *f, val x)
{
	(void)none;
	return resnet50(f, x);
}

static void count_resnet(struct backend *b)
{
	struct tensors w = formula_tensors("resnet50_torchvision", "", 1);
	struct folded layers = folded_start(&w, 1e-5);
	struct together all;
	struct share s = { 0 };

	folded_ignore(&layers, "fc");
	if (together_open(&all, &layers, b, 1, 224, build, NULL)) die();
	count(&s, all.t);
	print("resnet50 224 1", &s);
	together_close(&all);
	folded_free(&layers);
	tensors_close(&w);
}

int main(void)
{
	struct backend *b = backend_new("cuda-bf16", 1);

	if (!b) {
		printf("# no device to plan for: %s\n", backend_why());
		return 0;
	}
	printf("#program\tG multiply-adds\tplain %%\tin tf32 %%\tin bf16 %%\n");
	count_training(b, 64, 64, 256);
	count_training(b, 128, 96, 64);
	count_resnet(b);
	backend_free(b);
	return 0;
}
