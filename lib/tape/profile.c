/* profile: what the steps of a tape cost: multiply-adds, bytes, and the time they took. */
#include "lib/tape/impl.h"
#include "lib/base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of convolutions and products as they are written, whatever way the backend takes. */
int64_t tape_work(const struct tape *t, const struct instr *i)
{
	const struct shape *x = &t->ins[i->in[0]].s, *w = i->n_in > 1 ? &t->ins[i->in[1]].s : NULL;
	int64_t y = (int64_t)shape_count(i->s), x_count = (int64_t)shape_count(*x);
	int64_t small = i->a.i[7] == CONV_DOWN ? 4 : 1;   /* y is given at half its side */

	switch (i->op) {
	case OP_conv: case OP_conv_act: return small * y * w->d[0] * w->d[1] * w->d[2];
	case OP_conv_dx: return small * x_count * w->d[0] * w->d[1] * w->d[2];
	case OP_conv_dw: return small * y * w->d[0] * w->d[1] * w->d[2];
	case OP_dwconv_act: return y * w->d[0] * w->d[1];
	case OP_attention: return w->d[2] * (x_count + y);
	case OP_attention_back:
		return 2 * w->d[2] * (x_count + (int64_t)shape_count(t->ins[i->in[3]].s));
	case OP_power: return 2 * x_count;
	case OP_matmul: return y * x->d[i->a.i[0] ? 2 : 3];
	default: return 0;
	}
}

/* ... the way that needs the fewest: at the small side a 3x3 convolution with a scale has 16 taps,
 * not 36. */
static double least_work(const struct tape *t, const struct instr *i)
{
	const struct shape *w = i->n_in > 1 ? &t->ins[i->in[1]].s : NULL;
	bool conv = i->op == OP_conv || i->op == OP_conv_dx || i->op == OP_conv_dw;

	if (i->op == OP_conv_dw) w = &i->s;
	bool fewer = conv && i->a.i[7] != CONV_SAME && w->d[0] == 3 && w->d[1] == 3;
	return (double)tape_work(t, i) * (fewer ? 16. / 36 : 1);
}

int64_t tape_multiply_adds(const struct tape *t)
{
	int64_t n = 0;

	for (int k = 0; k < t->n_steps; k++) n += tape_work(t, &t->ins[t->step[k].v]);
	return n;
}

void tape_profile(struct tape *t, bool on)
{
	t->profiled = on;
}

static double view_bytes(struct view v)
{
	return v.p ? (double)stored_bytes(v.s, v.bf16) : 0;
}

/* Read and written; what passes between the steps of a chain is not. */
static double step_bytes(const struct tape *t, const struct step *s)
{
	double sum = 0;

	for (int j = 0; j < s->chain.n; j++) {
		const struct chain_step *c = &s->chain.step[j];
		sum += view_bytes(c->out);
		for (int k = 0; k < c->inputs; k++)
			if (c->from[k] < 0) sum += view_bytes(c->in[k]);
	}
	if (s->chain.n) return sum;
	for (int k = 0; k < t->ins[s->v].n_in; k++) sum += view_bytes(s->x[k]);
	return sum + view_bytes(s->y);
}

double tape_traffic(const struct tape *t)
{
	double sum = 0;

	for (int k = 0; k < t->n_steps; k++)
		sum += step_bytes(t, &t->step[k]) + 2 * (double)plan_scratch(t, &t->step[k]);
	return sum;
}

/* Per kind of step: an op with the size of its result, or a chain of n; for one run. */
struct line { char name[96]; double seconds, bytes, multiply_adds, floor; int steps; };

/* What it took; before the first run, what it takes at least. */
static double cost(const struct line *l)
{
	return l->seconds > 0 ? l->seconds : l->floor;
}

static int slower_first(const void *a, const void *b)
{
	double x = cost((const struct line *)a), y = cost((const struct line *)b);
	return x < y ? 1 : x > y ? -1 : 0;
}

static void step_name(const struct tape *t, const struct step *s, char *name, size_t size)
{
	static const char *const scale[] = { "", " of up2", " to sum2" };
	const struct instr *i = &t->ins[s->v];
	bool scaled = i->op == OP_conv || i->op == OP_conv_dx || i->op == OP_conv_dw;
	struct shape d = s->chain.n ? s->chain.space : i->s;
	char what[32];

	if (s->chain.n) snprintf(what, sizeof what, "chain of %d", s->chain.n);
	else snprintf(what, sizeof what, "%s%s", op_name[i->op], scaled ? scale[i->a.i[7]] : "");
	snprintf(name, size, "%s [%d,%d,%d,%d]", what, d.d[0], d.d[1], d.d[2], d.d[3]);
}

static struct line line_of(const struct tape *t, const struct step *s,
			   const struct tape_peak *peak)
{
	struct line one = {
		.seconds = s->calls ? s->seconds / (double)s->calls : 0, .bytes = step_bytes(t, s),
		.multiply_adds = (double)tape_work(t, &t->ins[s->v]), .steps = 1,
	};

	step_name(t, s, one.name, sizeof one.name);
	if (peak)
		one.floor = fmax(2 * least_work(t, &t->ins[s->v]) / peak->flops,
				 one.bytes / peak->bytes);
	return one;
}

/* Rates are those of the floor where nothing has run. */
static void print_line(const struct line *l, double total, const struct tape_peak *peak, FILE *f)
{
	fprintf(f, "%s\t%d\t%.3f\t%.1f%%\t%.1f\t%.1f\t%.0f", l->name, l->steps, 1e3 * l->seconds,
		100 * cost(l) / total, l->bytes / 1e6, l->bytes / 1e9 / cost(l),
		2e-9 * l->multiply_adds / cost(l));
	if (peak) fprintf(f, "\t%.3f", 1e3 * l->floor);
	fputc('\n', f);
}

void tape_profile_print(const struct tape *t, const struct tape_peak *peak, FILE *f)
{
	struct line *line = mem_new((size_t)t->n_steps + 1, sizeof *line);
	double total = 0, floors = 0;
	int n = 0;

	for (int k = 0; k < t->n_steps; k++) {
		struct line one = line_of(t, &t->step[k], peak);
		int j = 0;

		total += cost(&one);
		floors += one.floor;
		while (j < n && strcmp(line[j].name, one.name)) j++;
		if (j == n) line[n++] = (struct line){ 0 };
		one.floor += line[j].floor;
		one.seconds += line[j].seconds;
		one.bytes += line[j].bytes;
		one.multiply_adds += line[j].multiply_adds;
		one.steps += line[j].steps;
		line[j] = one;
	}
	qsort(line, (size_t)n, sizeof *line, slower_first);
	if (t->b->engine) fprintf(f, "# products by %s\n", t->b->engine);
	fprintf(f, "#op\tsteps\tms\tshare\tMB\tGB/s\tGFLOP/s%s\n", peak ? "\tfloor_ms" : "");
	for (int j = 0; j < n && cost(&line[j]) > 0.002 * total; j++)
		print_line(&line[j], total, peak, f);
	if (peak) fprintf(f, "# floors of all: %.3f ms\n", 1e3 * floors);
	free(line);
}
