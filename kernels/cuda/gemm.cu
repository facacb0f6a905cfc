/* gemm: a product from its shapes: packed operands, a long k in parts, which depend on the shape
 * alone and are added in order; or its matrices for cuBLASLt. */
#include "kernels/cuda/gemm.h"
#include "kernels/cuda/lt.h"

enum { TARGET_BLOCKS = 264, ENOUGH = 256 };  /* two for each processor of an H100; k of a part */

struct parts {
	const float *from;
	struct data to;
	size_t count;
	int n, columns;
	struct finish finish;
};

KERNEL(add_parts, struct parts)
{
	size_t i = (size_t)BLOCK_X * THREADS + (size_t)THREAD;
	float sum = 0;

	if (i >= a.count) return;
	for (int k = 0; k < a.n; k++) sum += a.from[(size_t)k * a.count + i];
	data_put(a.to, i, finished(&a.finish, (int64_t)i, (int)(i % (size_t)a.columns), sum));
}

/* A product with all that is known before its memory is; taps: of one with a scale; lt: by
 * cuBLASLt, NULL: by tile.cu. */
struct planned { struct gemm g; struct pack a, b; struct taps taps; struct lt_plan *lt; };

static int padded(int n, int each)
{
	return (n + each - 1) / each * each;
}

static struct pack make_pack(int precision, struct data from, struct shape s, int batches)
{
	struct pack p;

	memset(&p, 0, sizeof p);
	p.precision = precision;
	p.from = from;
	p.width = s.d[3];
	p.padded = padded(s.d[3], chunk_elements(precision));
	p.group = p.group_padded = 1;
	p.rows = (size_t)batches * (size_t)s.d[0] * (size_t)s.d[1] * (size_t)s.d[2];
	return p;
}

/* The channels of x are padded as they are there. */
static struct pack make_pack_weights(int precision, struct data from, struct shape w, int batches)
{
	struct pack p = make_pack(precision, from, w, 1);

	p.group = w.d[2];
	p.group_padded = padded(w.d[2], chunk_elements(precision));
	p.rows = (size_t)batches * (size_t)w.d[0] * (size_t)w.d[1] * (size_t)p.group_padded;
	return p;
}

/* With a scale: 4x4 taps two pixels apart; or in phases, where the large image is c or b of
 * CONV_DW, 2x2 in each. */
static void make_scale(struct gemm *g, const struct product *p)
{
	int dx = p->kind == CONV_DX;

	g->phases = dx == (p->scale == CONV_DOWN);
	if (g->phases) {
		g->top = g->left = dx ? 0 : 1;
		g->shift = dx ? 1 : -1;
		if (dx) g->H /= 2, g->W /= 2;
		else g->P /= 2, g->Q /= 2;
	} else {
		g->top = g->left = dx ? 2 : 1;
		if (dx) g->spread = 2;
		else g->stride = 2;
	}
	g->L = g->phases ? 2 : 4;
}

static void make_shape(struct gemm *g, const struct product *p, int each, int depth)
{
	int dw = p->kind == CONV_DW, K = p->w.d[0];

	g->H = p->x.d[1], g->W = p->x.d[2], g->I = p->x.d[3], g->Ip = padded(g->I, each);
	g->P = p->y.d[1], g->Q = p->y.d[2], g->O = p->y.d[3], g->Op = padded(g->O, each);
	g->L = p->w.d[1];
	g->stride = p->stride, g->top = p->top, g->left = p->left;
	g->spread = 1;
	if (p->scale) {
		make_scale(g, p);
		K = g->L;
	}
	g->per_stride = ((1u << 31) + (unsigned)g->stride - 1) / (unsigned)g->stride;
	g->batches = g->phases ? 4 : p->batches;
	int pixels = p->x.d[0] * g->H * g->W, outs = p->y.d[0] * g->P * g->Q, taps = K * g->L;
	g->m = p->kind == CONV ? outs : p->kind == CONV_DX ? pixels : taps * g->Ip;
	g->n = p->kind == CONV_DX ? g->I : g->O;
	g->k = p->kind == CONV ? taps * g->Ip : p->kind == CONV_DX ? taps * g->Op : outs;
	g->rows = dw ? taps * g->I : g->phases ? 4 * g->m : g->m;
	g->whole.inner = dw ? g->Q : p->kind == CONV ? g->Ip : g->Op;
	g->whole.middle = dw ? g->P : g->L;
	g->step = walk_to(&g->whole, depth);
}

/* Enough blocks for the device, each with enough to do. */
static void make_parts(struct gemm *g, int depth)
{
	int blocks = tiles_of(g->m) * tiles_of(g->n) * g->batches;
	int want = (TARGET_BLOCKS + blocks - 1) / blocks, most = (g->k + ENOUGH - 1) / ENOUGH;

	if (want > most) want = most;
	if (want < 1 || (g->batches > 1 && !g->phases)) want = 1;
	g->part = padded((g->k + want - 1) / want, depth);
	g->parts = (g->k + g->part - 1) / g->part;
}

static struct planned make(const struct backend *b, const struct product *p)
{
	int precision = cuda_precision(b);
	struct planned r;

	memset(&r, 0, sizeof r);
	make_shape(&r.g, p, chunk_elements(precision), step_depth(precision));
	make_parts(&r.g, step_depth(precision));
	r.a = make_pack(precision, p->a, p->kind == CONV_DX ? p->y : p->x, p->batches);
	r.b = p->kind == CONV_DW ? make_pack(precision, p->b, p->y, p->batches)
				 : make_pack_weights(precision, p->b, p->w, p->batches);
	if (p->scale) {
		r.taps = cuda_taps(p, &r.g, precision);
		if (p->kind != CONV_DW) r.g.step_b = (size_t)r.g.L * r.g.L * r.g.Ip * r.g.Op;
		return r;
	}
	if (p->transposed) r.a.across = (int)(r.a.rows / (size_t)p->batches);
	r.g.step_a = r.a.rows / (size_t)p->batches * (size_t)r.a.padded;
	r.g.step_b = r.b.rows / (size_t)p->batches * (size_t)r.b.padded;
	return r;
}

static size_t bytes_of(const struct pack *p)
{
	return cuda_pack_needed(p) ? cuda_pack_bytes(p) : 0;
}

/* Of one tap, at each pixel. */
static bool is_plain(const struct product *p)
{
	return p->w.d[0] * p->w.d[1] == 1 && p->stride == 1 && !p->top && !p->left &&
	       p->x.d[1] == p->y.d[1] && p->x.d[2] == p->y.d[2];
}

/* Of cuBLASLt's relu nobody says that NaN stays: what has bounds is not for it. */
static bool has_bounds(const struct finish *f)
{
	return f->low > -INFINITY || f->high < INFINITY;
}

static struct lt_product make_lt_product(const struct planned *r, const struct product *p,
					 int precision, const struct finish *f)
{
	struct lt_product l;

	memset(&l, 0, sizeof l);
	l.m = r->g.rows, l.n = r->g.n, l.batches = p->batches;
	l.k = p->transposed ? p->y.d[3] : r->g.k;   /* of b it may have more, zeros */
	l.ta = p->kind == CONV_DW || p->transposed;
	l.tb = p->kind == CONV_DX;
	l.row_a = r->a.padded, l.row_b = r->b.padded;
	l.bf16 = precision == PRECISION_BF16;
	l.bf16_c = p->c.bf16;
	l.after = f ? LT_BIAS | (f->more ? LT_REST : 0) : 0;
	l.step_a = (int64_t)r->g.step_a, l.step_b = (int64_t)r->g.step_b;
	return l;
}

/* For cuBLASLt, which transposes by itself, takes f32 as it is, and wants whole chunks everywhere,
 * and for a finish f32; false: not for it. */
static bool make_lt(struct backend *b, const struct product *p, const struct finish *f,
		    struct planned *r)
{
	int precision = cuda_precision(b);

	int chunk = chunk_elements(p->c.bf16 ? PRECISION_BF16 : PRECISION_F32);
	if (!cuda_lt(b) || !is_plain(p) || r->g.n % chunk) return false;
	if (f && (has_bounds(f) || p->c.bf16 || f->bias.bf16 || f->rest.bf16)) return false;
	if (p->transposed) {
		struct shape given = { { p->y.d[3], 1, 1, p->y.d[0] } };
		r->a = make_pack(precision, p->a, given, p->batches);
		r->g.step_a = r->a.rows / (size_t)p->batches * (size_t)r->a.padded;
	}
	if (precision != PRECISION_BF16) {
		r->a.precision = r->b.precision = PRECISION_F32;
		if (cuda_pack_needed(&r->a) || cuda_pack_needed(&r->b)) return false;
	}
	struct lt_product l = make_lt_product(r, p, precision, f);
	r->lt = cuda_lt_plan(b, &l);
	return r->lt != NULL;
}

/* With a scale b is w, and its taps are summed; or c is the gradient of w, of such sums. */
static bool sums_b(const struct product *p) { return p->scale && p->kind != CONV_DW; }
static bool spreads_c(const struct product *p) { return p->scale && p->kind == CONV_DW; }

/* Of c, which are added up afterwards; 0: it is made as it is. */
static int sets_of(const struct gemm *g, const struct product *p)
{
	return spreads_c(p) ? g->batches * g->parts : g->parts > 1 ? g->parts : 0;
}

/* Arrays lie where they lie only when it runs: there is scratch for either way. */
size_t cuda_gemm_scratch(struct backend *b, const struct product *p, const struct finish *f)
{
	struct planned r = make(b, p), lt = r;
	size_t bytes = bytes_of(&r.a), other = 0;

	bytes += sums_b(p) ? cuda_taps_bytes(&r.taps) : bytes_of(&r.b);
	bytes += (size_t)sets_of(&r.g, p) * (size_t)r.g.rows * (size_t)r.g.n * sizeof(float);
	if (make_lt(b, p, f, &lt))
		other = bytes_of(&lt.a) + bytes_of(&lt.b) + cuda_lt_scratch(lt.lt);
	return bytes > other ? bytes : other;
}

/* The operand as the product reads it: packed at *work, which moves on, or where it is. */
static const void *packed(struct backend *b, struct pack *p, char **work)
{
	if (!cuda_pack_needed(p)) return p->from.p;
	p->to = *work;
	*work += cuda_pack_bytes(p);
	cuda_pack(b, p);
	return p->to;
}

static const void *summed(struct backend *b, struct taps *t, char **work)
{
	t->to = *work;
	*work += cuda_taps_bytes(t);
	cuda_taps_sum(b, t);
	return t->to;
}

static void add_up(struct backend *b, const struct gemm *g, struct data to)
{
	struct parts p;

	p.from = (const float *)g->c.p;
	p.to = to;
	p.count = (size_t)g->rows * (size_t)g->n;
	p.n = g->parts;
	p.columns = g->n;
	p.finish = g->finish;
	LAUNCH(b, add_parts, blocks_for(p.count, THREADS), 1, 1, p);
}

static bool on_chunk(const void *p)
{
	return (uintptr_t)p % CHUNK_BYTES == 0;
}

void cuda_gemm_run(struct backend *b, const struct product *p, const struct finish *f)
{
	struct planned r = make(b, p), lt = r;
	char *work = (char *)b->work;
	bool aligned = on_chunk(p->a.p) && on_chunk(p->b.p) && on_chunk(p->c.p) &&
		       (!f || (on_chunk(f->bias.p) && on_chunk(f->rest.p)));

	if (aligned && make_lt(b, p, f, &lt)) r = lt;
	if (f) r.g.finish = *f;
	r.g.a = packed(b, &r.a, &work);
	r.g.b = sums_b(p) ? summed(b, &r.taps, &work) : packed(b, &r.b, &work);
	if (r.lt) {
		cuda_lt_run(b, r.lt, p->c.p, r.g.a, r.g.b, f ? (const float *)f->bias.p : NULL,
			    f ? (const float *)f->rest.p : NULL, work);
		return;
	}
	r.g.c = p->c;
	if (sets_of(&r.g, p)) r.g.c.p = work, r.g.c.bf16 = 0;
	r.g.fours = r.g.n % 4 == 0 && (uintptr_t)r.g.c.p % data_bytes(r.g.c.bf16, 4) == 0;
	cuda_tile_launch(b, &r.g, p->kind);
	if (spreads_c(p)) {
		r.taps.from = (const float *)work;
		r.taps.parts = r.g.parts;
		cuda_taps_spread(b, &r.taps);
	} else if (r.g.parts > 1) {
		add_up(b, &r.g, p->c);
	}
}
