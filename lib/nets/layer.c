/* layer: spectral norm, convolution, dense, batch norm and attention on the tape. */
#include "lib/nets/layer.h"
#include "lib/base/fail.h"

#include <stdio.h>

enum { NAME = 96 };

/* Of the published runs (spec biggan 1.1): added to variances; the least norm that a vector of the
 * spectral norm is divided by. */
#define BN_EPS 1e-5
#define SN_EPS 1e-6

static char *join(char part[NAME], const char *name, const char *leaf)
{
	must(snprintf(part, NAME, "%s.%s", name, leaf) < NAME);
	return part;
}

/* u is of the outputs: W is [rest, out] here, or [out, rest] for tables. */
val layer_sn(struct scope *s, const char *name)
{
	struct tape *t = s->t;
	val w = scope_param(s, "%s.weight", name), u = scope_param(s, "%s.u0", name);
	val u1, sigma = power(t, w, u, scope_is_table(s, "%s.weight", name), SN_EPS, &u1);

	if (s->train) {
		scope_update(s, u1, "%s.u0", name);
		scope_update(s, sigma, "%s.sv0", name);
	}
	return mul(t, w, recip(t, sigma));
}

static val layer_bias(struct scope *s, const char *name, val x)
{
	return add(s->t, x, scope_param(s, "%s.bias", name));
}

val layer_conv(struct scope *s, const char *name, val x, enum conv_scale scale_, bool bias)
{
	struct tape *t = s->t;
	val w = layer_sn(s, name);
	int p = tape_shape(t, w).d[0] / 2;
	val y = scale_ == CONV_UP ? conv_up2(t, x, w) : scale_ == CONV_DOWN ? conv_sum2(t, x, w)
		: conv(t, x, w, 1, (struct pads){ p, p, p, p });

	tape_label(t, y, "%s", name);
	if (scale_ == CONV_DOWN) y = scale(t, y, 0.25, 0);
	return bias ? layer_bias(s, name, y) : y;
}

val layer_dense(struct scope *s, const char *name, val x, bool bias)
{
	struct tape *t = s->t;
	val w = layer_sn(s, name);
	struct shape d = tape_shape(t, x), k = tape_shape(t, w);
	val y = matmul(t, reshape(t, x, shape4(1, 1, d.d[0], d.d[3])), w, false, false);

	y = reshape(t, y, shape4(d.d[0], 1, 1, k.d[3]));
	return bias ? layer_bias(s, name, y) : y;
}

/* stored <- 0.9 stored + 0.1 batch; the variance stored is the unbiased one, the one divided by is
 * not. */
static void batch_statistics(struct scope *s, const char *name, val x, val *mean, val *var)
{
	struct tape *t = s->t;
	struct shape d = tape_shape(t, x);
	double n = (double)d.d[0] * d.d[1] * d.d[2];
	val m = moments(t, x);

	*mean = slice(t, m, 2, 0, 1);
	*var = slice(t, m, 2, 1, 1);
	scope_update(s,
		     add(t, scale(t, scope_param(s, "%s.stored_mean", name), 0.9, 0),
			 scale(t, *mean, 0.1, 0)),
		     "%s.stored_mean", name);
	scope_update(s,
		     add(t, scale(t, scope_param(s, "%s.stored_var", name), 0.9, 0),
			 scale(t, *var, 0.1 * n / (n - 1), 0)),
		     "%s.stored_var", name);
}

val layer_norm_relu(struct scope *s, const char *name, val x, val gain, val shift)
{
	struct tape *t = s->t;
	val mean, var;

	if (s->train) {
		batch_statistics(s, name, x, &mean, &var);
	} else {
		mean = scope_param(s, "%s.stored_mean", name);
		var = scope_param(s, "%s.stored_var", name);
	}
	val a = mul(t, gain, recip(t, root(t, scale(t, var, 1, BN_EPS))));
	val b = sub(t, shift, mul(t, mean, a));
	return lrelu(t, add(t, mul(t, x, a), b), 0);
}

val layer_attention(struct scope *s, const char *name, val x)
{
	struct tape *t = s->t;
	struct shape d = tape_shape(t, x);
	int n = d.d[0], pixels = d.d[1] * d.d[2], c8 = d.d[3] / 8, c2 = d.d[3] / 2;
	char part[NAME];
	val q[3];

	for (int i = 0; i < 3; i++) {
		q[i] = layer_conv(s, join(part, name, (const char *[]){ "theta", "phi", "g" }[i]),
				  x, CONV_SAME, false);
		if (i) q[i] = maxpool2(t, q[i]);
	}
	val o = attention(t, reshape(t, q[0], shape4(n, 1, pixels, c8)),
			  reshape(t, q[1], shape4(n, 1, pixels / 4, c8)),
			  reshape(t, q[2], shape4(n, 1, pixels / 4, c2)));
	o = layer_conv(s, join(part, name, "o"), reshape(t, o, shape4(n, d.d[1], d.d[2], c2)),
		       CONV_SAME, false);
	return add(t, mul(t, o, scope_param(s, "%s.gamma", name)), x);
}

val layer_pool2(struct tape *t, val x)
{
	return scale(t, sum2(t, x), 0.25, 0);
}

void layer_sn_params(struct params *ps, const char *name, enum order order, int rank,
		     const int64_t *shape, bool bias)
{
	char part[NAME];
	int64_t one = 1, row[2] = { 1, shape[0] };
	int fan = 1;
	enum order vector = order == CHW_WEIGHT ? CHW_WEIGHT : AS_IS;

	for (int i = 1; i < rank; i++) fan *= (int)shape[i];
	param_add(ps, join(part, name, "weight"), order, rank, shape, true, INIT_ORTHOGONAL, fan);
	if (bias)
		param_add(ps, join(part, name, "bias"), vector, 1, shape, true, INIT_UNIFORM, fan);
	param_add(ps, join(part, name, "u0"), vector, 2, row, false, INIT_NORMAL, 0);
	param_add(ps, join(part, name, "sv0"), AS_IS, 1, &one, false, INIT_ONE, 0);
}

void layer_attention_params(struct params *ps, const char *name, int c)
{
	static const char *const leaf[] = { "theta", "phi", "g", "o" };
	int64_t shape[4][4] = {
		{ c / 8, c, 1, 1 }, { c / 8, c, 1, 1 }, { c / 2, c, 1, 1 }, { c, c / 2, 1, 1 }
	};
	char part[NAME];

	param_add(ps, join(part, name, "gamma"), AS_IS, 0, NULL, true, INIT_ZERO, 0);
	for (int i = 0; i < 4; i++)
		layer_sn_params(ps, join(part, name, leaf[i]), WEIGHT, 4, shape[i], false);
}
