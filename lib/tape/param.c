/* param: named parameters in one flat buffer. */
#include "lib/tape/param.h"
#include "lib/tape/ortho.h"
#include "lib/base/fail.h"
#include "lib/base/hash.h"
#include "lib/base/mem.h"
#include "lib/base/rng.h"

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void layout(struct param *p, enum order order)
{
	static const int perm[][4] = {
		[AS_IS] = { 0, 1, 2, 3 }, [WEIGHT] = { 2, 3, 1, 0 },
		[CHW_WEIGHT] = { 3, 1, 2, 0 }, [CHW_INPUT] = { 2, 3, 1, 0 },
		[ADJOINT_WEIGHT] = { 2, 3, 0, 1 }, [MAPS] = { 0, 2, 3, 1 },
	};
	int d[4] = { 1, 1, 1, 1 };

	for (int k = 0; k < p->rank; k++) d[k] = (int)p->shape[k];
	if (order == AS_IS) { /* vectors are channels, tables are rows: [1,1,1,C], [R,1,1,C] */
		must(p->rank <= 2);
		p->view = p->rank == 2 ? shape4(d[0], 1, 1, d[1]) : shape4(1, 1, 1, d[0]);
	} else if (order == WEIGHT || order == ADJOINT_WEIGHT) {
		p->view = shape4(d[0], d[1], d[2], d[3]);
	} else if (order == MAPS) {
		p->view = shape4(1, d[0], d[1], d[2]);
	} else if (order == CHW_INPUT) {
		must(p->rank == 2 && d[1] % 16 == 0);
		p->view = shape4(d[0], d[1] / 16, 16, 1);
	} else { /* [16 C, in], [1, 16 C] or [16 C]: the 16 C axis is channel, then pixel */
		int rows = p->rank == 2 && d[0] == 1 ? d[1] : d[0],
		    in = p->rank == 2 && d[0] > 1 ? d[1] : 1;
		must(rows % 16 == 0);
		p->view = shape4(rows / 16, 16, 1, in);
	}
	for (int k = 0; k < 4; k++) {
		p->perm[k] = perm[order][k];
		p->s.d[k] = p->view.d[p->perm[k]];
	}
	if (order == CHW_WEIGHT) p->s = shape4(1, 1, p->s.d[0], p->s.d[1] * p->s.d[3]);
	if (order == CHW_INPUT) p->s = shape4(1, 1, p->s.d[0] * p->s.d[2], p->s.d[3]);
}

int param_add(struct params *ps, const char *name, enum order order, int rank, const int64_t *shape,
	      bool trained, enum init init, int fan)
{
	ps->p = mem_grow(ps->p, (size_t)ps->n + 1, sizeof *ps->p);
	struct param *p = &ps->p[ps->n];
	*p = (struct param){
		.rank = rank, .trained = trained, .init = init, .fan = fan, .at = ps->total
	};
	must(strlen(name) < sizeof p->name && rank <= 4);
	strcpy(p->name, name);
	for (int k = 0; k < rank; k++) p->shape[k] = shape[k];
	layout(p, order);
	ps->total += (shape_count(p->s) + 15) / 16 * 16;
	return ps->n++;
}

int param_find(const struct params *ps, const char *name)
{
	for (int i = 0; i < ps->n; i++)
		if (!strcmp(ps->p[i].name, name)) return i;
	return -1;
}

/* Steps of the power method have the numbers of a weight and of its vectors in one int. */
int param_check(const struct params *ps)
{
	for (int i = 0; i < ps->n; i++)
		if (shape_count(ps->p[i].s) > INT_MAX / 2)
			return fail("%s: %zu numbers, expected fewer than 2^30", ps->p[i].name,
				    shape_count(ps->p[i].s));
	return 0;
}

void param_free(struct params *ps)
{
	free(ps->p);
	*ps = (struct params){ 0 };
}

real *param_buffer(const struct params *ps)
{
	real *p = mem_big(ps->total, sizeof *p, "parameters");
	if (p) memset(p, 0, ps->total * sizeof *p);
	return p;
}

/* Copies between the published order and ours, reached by strides; `in` or `out` is NULL.  Sixteen
 * indices of the first axis, which is our last one in weights, go together: whole cache lines on
 * our side, sixteen runs on the other. */
static void copy(const struct param *p, const float *in, float *out, real *data)
{
	enum { TOGETHER = 16 };
	struct shape d = p->view;
	size_t step[4], step_of_ours = 1, inner = (size_t)d.d[1] * (size_t)d.d[2] * (size_t)d.d[3];
	real *w = data + p->at;

	for (int k = 3; k >= 0; k--) {
		step[p->perm[k]] = step_of_ours;
		step_of_ours *= (size_t)d.d[p->perm[k]];
	}
	for (int first = 0; first < d.d[0]; first += TOGETHER) {
		int end = first + TOGETHER < d.d[0] ? first + TOGETHER : d.d[0];
		for (size_t i = 0; i < inner; i++) {
			size_t row = i / (size_t)d.d[3];
			size_t at = row / (size_t)d.d[2] * step[1] +
				    row % (size_t)d.d[2] * step[2] + i % (size_t)d.d[3] * step[3];
			for (int a = first; a < end; a++) {
				real *ours = w + (size_t)a * step[0] + at;
				if (in) *ours = (real)in[(size_t)a * inner + i];
				else out[(size_t)a * inner + i] = (float)*ours;
			}
		}
	}
}

void param_import(const struct param *p, const float *in, real *data)
{
	copy(p, in, NULL, data);
}

void param_export(const struct param *p, const real *data, float *out)
{
	copy(p, NULL, out, (real *)data);
}

/* A random semi-orthogonal [out, rest] matrix: orthonormal rows or columns, whichever are fewer. */
static int init_orthogonal(const struct param *p, uint64_t seed, uint64_t stream, float *out)
{
	size_t rows = (size_t)p->shape[0], cols = shape_count(p->s) / rows;
	size_t k = rows < cols ? rows : cols, n = rows < cols ? cols : rows;
	double *v = mem_big(k * n, sizeof *v, p->name);

	if (!v || ortho_random(v, (int)k, (int)n, seed, stream)) {
		free(v);
		return -1;
	}
	for (size_t i = 0; i < rows; i++)
		for (size_t j = 0; j < cols; j++)
			out[i * cols + j] = (float)(rows < cols ? v[i * n + j] : v[j * n + i]);
	free(v);
	return 0;
}

/* Number j of the filter. */
static float blur(size_t j)
{
	static const int f[4] = { 1, 3, 3, 1 };
	return (float)(f[j / 4] * f[j % 4]) / 64;
}

int param_init(const struct params *ps, real *data, uint64_t seed)
{
	for (int i = 0; i < ps->n; i++) {
		const struct param *p = &ps->p[i];
		size_t n = shape_count(p->s);
		float *out = mem_big(n, sizeof *out, p->name);
		uint64_t stream = hash_of(p->name, strlen(p->name));
		struct rng r = rng_at(seed, stream);

		if (!out || (p->init == INIT_ORTHOGONAL && init_orthogonal(p, seed, stream, out))) {
			free(out);
			return -1;
		}
		for (size_t j = 0; j < n && p->init != INIT_ORTHOGONAL; j++)
			out[j] = p->init == INIT_ONE ? 1 : p->init == INIT_ZERO ? 0 :
				 p->init == INIT_NORMAL ?
				 (float)(rng_normal(&r) * (p->fan ? p->fan : 1)) :
				 p->init == INIT_BLUR ? blur(j) :
				 (float)((2 * rng_uniform(&r) - 1) / sqrt(p->fan));
		param_import(p, out, data);
		free(out);
	}
	return 0;
}

struct scope scope_open(struct tape *t, const struct params *ps, real *data, bool train)
{
	struct scope s = { .t = t, .ps = ps, .data = data, .train = train };

	s.leaf = mem_new((size_t)ps->n, sizeof(val));
	for (int i = 0; i < ps->n; i++) s.leaf[i] = -1;
	return s;
}

static int lookup(const struct scope *s, const char *fmt, va_list ap)
{
	char name[64];

	vsnprintf(name, sizeof name, fmt, ap);
	int i = param_find(s->ps, name);
	must(i >= 0);
	return i;
}

val scope_param(struct scope *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int i = lookup(s, fmt, ap);
	va_end(ap);
	if (s->leaf[i] < 0) {
		const real *p = s->data ? s->data + s->ps->p[i].at : NULL;
		s->leaf[i] = (s->train ? leaf : weight)(s->t, s->ps->p[i].s, p);
		tape_label(s->t, s->leaf[i], "%s", s->ps->p[i].name);
	}
	return s->leaf[i];
}

bool scope_is_table(struct scope *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	const struct param *p = &s->ps->p[lookup(s, fmt, ap)];
	va_end(ap);
	return p->rank == 2 && p->perm[3] == 3;
}

void scope_update(struct scope *s, val v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int i = lookup(s, fmt, ap);
	va_end(ap);
	must(s->n_up < (int)LEN(s->up) &&
	     shape_count(tape_shape(s->t, v)) == shape_count(s->ps->p[i].s));
	keep(s->t, v);
	s->up[s->n_up].param = i;
	s->up[s->n_up++].v = v;
}

void scope_apply(const struct scope *s)
{
	struct piece up[LEN(s->up)];

	for (int i = 0; i < s->n_up; i++) {
		const struct param *p = &s->ps->p[s->up[i].param];
		up[i] = (struct piece){ s->data + p->at, tape_value(s->t, s->up[i].v),
					shape_count(p->s) };
	}
	tape_copy_pieces(s->t, s->n_up, up);
}

void scope_close(struct scope *s)
{
	free(s->leaf);
	s->leaf = NULL;
}
