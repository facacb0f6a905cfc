/* cublas-host: cuBLASLt for the emulated device: the calls that kernels/cuda/lt.cu makes, by plain
 * loops that take each description at its word and refuse what they do not know.  It reads no more
 * of f32 than tensor cores do, the upper 19 bits; has no algorithm for a k below SHORT_K; adds the
 * halves of one from LONG_K on by way of the workspace; and its relu makes 0 of NaN, which
 * check-ops notices where a product counts on it. */
#include "kernels/cuda/cublaslt.h"
#include "tests/cuda-host.h"

#include <stdio.h>
#include <stdlib.h>

enum { SHORT_K = 8, LONG_K = 32, ALIGNED = 16, WORKSPACE_ALIGNED = 256, VERSION = 130000 };

struct desc { int32_t compute, ta, tb, epilogue; const float *bias; };
struct layout {
	int type;
	uint64_t rows, columns;
	int64_t step, batch_step;
	int32_t batches;
};
struct wanted { uint64_t workspace; uint32_t reductions, aligned[4]; };

#define DECLARE(name, arguments) int cublasLt##name arguments;
LT_CALLS(DECLARE)
size_t cublasLtGetVersion(void);
const char *cublasLtGetStatusString(int status);

size_t cublasLtGetVersion(void)
{
	return VERSION;
}

const char *cublasLtGetStatusString(int status)
{
	return status == LT_NOT_SUPPORTED ? "not supported" : "an invalid value";
}

static int refuse(const char *what)
{
	fprintf(stderr, "emulated cuBLASLt: %s\n", what);
	return LT_INVALID_VALUE;
}

static int make(void **to, const void *from, size_t bytes)
{
	if (!(*to = malloc(bytes))) return refuse("no memory");
	memcpy(*to, from, bytes);
	return LT_SUCCESS;
}

static int drop(void *p)
{
	free(p);
	return LT_SUCCESS;
}

int cublasLtCreate(void **handle) { return make(handle, "", 1); }
int cublasLtDestroy(void *handle) { return drop(handle); }
int cublasLtMatmulDescDestroy(void *desc) { return drop(desc); }
int cublasLtMatrixLayoutDestroy(void *layout) { return drop(layout); }
int cublasLtMatmulPreferenceDestroy(void *wanted) { return drop(wanted); }

int cublasLtMatmulDescCreate(void **desc, int compute, int scale)
{
	struct desc d = { compute, LT_OP_N, LT_OP_N, LT_EPILOGUE_DEFAULT, NULL };

	if (compute != LT_COMPUTE_32F && compute != LT_COMPUTE_32F_FAST_TF32)
		return refuse("a type of sums");
	return scale == LT_R_32F ? make(desc, &d, sizeof d) : refuse("a type of alpha and beta");
}

int cublasLtMatrixLayoutCreate(void **layout, int type, uint64_t rows, uint64_t columns,
			       int64_t step)
{
	struct layout l = { type, rows, columns, step, 0, 1 };

	if (type != LT_R_32F && type != LT_R_16BF) return refuse("a type of elements");
	if (!rows || !columns || step < (int64_t)rows) return refuse("columns that overlap");
	return make(layout, &l, sizeof l);
}

/* By itself nothing is wanted: no workspace, any reduction, arrays on 256 bytes. */
int cublasLtMatmulPreferenceCreate(void **wanted)
{
	struct wanted w = { 0, 7, { 256, 256, 256, 256 } };

	return make(wanted, &w, sizeof w);
}

static int set(void *to, size_t want, const void *value, size_t bytes)
{
	if (bytes != want) return refuse("an attribute of another size");
	memcpy(to, value, bytes);
	return LT_SUCCESS;
}

int cublasLtMatmulDescSetAttribute(void *desc, int what, const void *value, size_t bytes)
{
	struct desc *d = desc;

	switch (what) {
	case LT_DESC_TRANSA: return set(&d->ta, sizeof d->ta, value, bytes);
	case LT_DESC_TRANSB: return set(&d->tb, sizeof d->tb, value, bytes);
	case LT_DESC_EPILOGUE: return set(&d->epilogue, sizeof d->epilogue, value, bytes);
	case LT_DESC_BIAS: return set(&d->bias, sizeof d->bias, value, bytes);
	default: return refuse("an unknown attribute of a product");
	}
}

int cublasLtMatrixLayoutSetAttribute(void *layout, int what, const void *value, size_t bytes)
{
	struct layout *l = layout;

	switch (what) {
	case LT_LAYOUT_BATCH_COUNT: return set(&l->batches, sizeof l->batches, value, bytes);
	case LT_LAYOUT_BATCH_STEP: return set(&l->batch_step, sizeof l->batch_step, value, bytes);
	default: return refuse("an unknown attribute of a matrix");
	}
}

int cublasLtMatmulPreferenceSetAttribute(void *wanted, int what, const void *value, size_t bytes)
{
	struct wanted *w = wanted;

	if (what == LT_PREF_WORKSPACE) return set(&w->workspace, sizeof w->workspace, value, bytes);
	if (what == LT_PREF_REDUCTIONS)
		return set(&w->reductions, sizeof w->reductions, value, bytes);
	if (what < LT_PREF_ALIGN_A || what > LT_PREF_ALIGN_D)
		return refuse("an unknown preference");
	return set(&w->aligned[what - LT_PREF_ALIGN_A], sizeof *w->aligned, value, bytes);
}

/* A matrix as it is read: element r, c of batch z at p[z batch + r row + c column]. */
struct operand { const void *p; int64_t batch, row, column; };

/* d[z][c][r] = after(a b + beta before): column after column. */
struct job {
	struct operand a, b;
	const float *before, *bias;
	struct data d;
	float *workspace;                    /* NULL: there is none */
	int64_t step_before, step_d, batch_before, batch_d;
	int rows, columns, k, bf16, relu;
};

DEVICE float element(const struct operand *o, int bf16, int z, int r, int c)
{
	int64_t at = z * o->batch + r * o->row + c * o->column;

	if (bf16) return bits_float((uint32_t)((const uint16_t *)o->p)[at] << 16);
	return bits_float(float_bits(((const float *)o->p)[at]) & 0xffffe000u);
}

/* A thread has an element. */
KERNEL(multiply, struct job)
{
	int i = BLOCK_X * THREADS + THREAD, z = BLOCK_Z, r = i % a.rows, c = i / a.rows;
	float sum = 0;

	if (i >= a.rows * a.columns) return;
	size_t count = (size_t)a.rows * (size_t)a.columns;
	float *half = a.workspace ? a.workspace + (size_t)z * count + i : NULL;
	for (int k = 0; k < a.k; k++) {
		if (half && k == a.k / 2) *half = sum, sum = 0;
		sum += element(&a.a, a.bf16, z, r, k) * element(&a.b, a.bf16, z, k, c);
	}
	if (half) sum += *half;
	if (a.before) sum += a.before[z * a.batch_before + c * a.step_before + r];
	if (a.bias) sum += a.bias[r];
	if (a.relu) sum = fmaxf(sum, 0);
	data_put(a.d, (size_t)(z * a.batch_d + c * a.step_d + r), sum);
}

static struct operand make_operand(const void *p, const struct layout *l, int transposed)
{
	struct operand o = { p, l->batch_step, transposed ? l->step : 1, transposed ? 1 : l->step };
	return o;
}

static int rows_of(const struct layout *l, int transposed)
{
	return (int)(transposed ? l->columns : l->rows);
}

static int columns_of(const struct layout *l, int transposed)
{
	return rows_of(l, !transposed);
}

static bool on(const void *p, size_t bytes)
{
	return p && (uintptr_t)p % bytes == 0;
}

static bool whole_rows(const struct layout *l)
{
	int64_t bytes = l->type == LT_R_16BF ? 2 : 4;

	return l->step * bytes % ALIGNED == 0 &&
	       (l->batches == 1 || l->batch_step * bytes % ALIGNED == 0);
}

/* The description holds together, and is of what is known here. */
static int look_at(const struct desc *d, const struct layout *a, const struct layout *b,
		   const struct layout *c, const struct layout *to)
{
	int type = d->compute == LT_COMPUTE_32F ? LT_R_16BF : LT_R_32F;

	if (a->type != type || b->type != type || c->type != to->type ||
	    (to->type != LT_R_32F && to->type != type))
		return refuse("types that do not fit");
	if (to->type != LT_R_32F && d->epilogue != LT_EPILOGUE_DEFAULT)
		return refuse("a bias of f32 for a result of bf16");
	if (rows_of(a, d->ta) != (int)to->rows || columns_of(b, d->tb) != (int)to->columns ||
	    columns_of(a, d->ta) != rows_of(b, d->tb))
		return refuse("sizes that do not fit");
	if (c->rows != to->rows || c->columns != to->columns) return refuse("another c than d");
	if (a->batches != to->batches || b->batches != to->batches || c->batches != to->batches)
		return refuse("batches that do not fit");
	if (!whole_rows(a) || !whole_rows(b) || !whole_rows(c) || !whole_rows(to))
		return refuse("rows that are not aligned");
	if (d->epilogue != LT_EPILOGUE_DEFAULT && d->epilogue != LT_EPILOGUE_BIAS &&
	    d->epilogue != LT_EPILOGUE_RELU_BIAS)
		return refuse("an unknown epilogue");
	if (d->epilogue != LT_EPILOGUE_DEFAULT && !on(d->bias, ALIGNED))
		return refuse("a bias that is not aligned");
	return LT_SUCCESS;
}

/* What an algorithm is for. */
static struct lt_algorithm make_algorithm(const struct desc *d, const struct layout *a,
					  const struct layout *to)
{
	return (struct lt_algorithm){ { (uint64_t)d->compute, (uint64_t)d->epilogue,
					(uint64_t)(2 * d->ta + d->tb), to->rows, to->columns,
					(uint64_t)columns_of(a, d->ta), (uint64_t)to->batches,
					(uint64_t)a->step } };
}

static size_t workspace_of(const struct desc *d, const struct layout *a, const struct layout *to)
{
	size_t count = to->rows * to->columns * (size_t)to->batches;

	return columns_of(a, d->ta) < LONG_K ? 0 : count * sizeof(float);
}

int cublasLtMatmulAlgoGetHeuristic(void *handle, void *desc, void *a, void *b, void *c, void *d,
				   void *wanted, int most, struct lt_found *to, int *found)
{
	const struct wanted *w = wanted;
	int status = look_at(desc, a, b, c, d);

	if (!handle || host_recording()) return refuse("a search while launches are recorded");
	if (status) return status;
	if (w->reductions & ~(unsigned)LT_REDUCTION_COMPUTE_TYPE)
		return refuse("sums whose order may differ");
	for (int i = 0; i < 4; i++)
		if (w->aligned[i] > ALIGNED) return refuse("more alignment than is promised");
	if (most != 1) return refuse("more than one algorithm");
	size_t need = workspace_of(desc, a, d);
	*found = columns_of(a, ((struct desc *)desc)->ta) >= SHORT_K && need <= w->workspace;
	if (!*found) return LT_NOT_SUPPORTED;
	*to = (struct lt_found){ make_algorithm(desc, a, d), need, LT_SUCCESS, 1, { 0 } };
	return LT_SUCCESS;
}

int cublasLtMatmul(void *handle, void *desc, const void *alpha, const void *a, void *a_layout,
		   const void *b, void *b_layout, const void *beta, const void *c, void *c_layout,
		   void *d, void *d_layout, const struct lt_algorithm *algorithm, void *workspace,
		   size_t bytes, void *stream)
{
	const struct desc *of = desc;
	const struct layout *la = a_layout, *lb = b_layout, *lc = c_layout, *ld = d_layout;
	int status = look_at(of, la, lb, lc, ld);
	float scale[2] = { *(const float *)alpha, *(const float *)beta };

	if (status || !handle || stream) return status ? status : refuse("no handle, or a stream");
	struct lt_algorithm want = make_algorithm(of, la, ld);
	size_t need = workspace_of(of, la, ld);
	if (memcmp(algorithm, &want, sizeof want)) return refuse("an algorithm of another product");
	if (need && (bytes < need || !on(workspace, WORKSPACE_ALIGNED)))
		return refuse("the workspace");
	if (!on(a, ALIGNED) || !on(b, ALIGNED) || !on(c, ALIGNED) || !on(d, ALIGNED))
		return refuse("an array that is not aligned");
	bool bf16_d = ld->type == LT_R_16BF;
	if (scale[0] != 1 || (scale[1] != 0 && (bf16_d || scale[1] != 1)))
		return refuse("alpha or beta");
	struct job j = {
		.a = make_operand(a, la, of->ta), .b = make_operand(b, lb, of->tb),
		.before = scale[1] != 0 ? c : NULL,
		.bias = of->epilogue == LT_EPILOGUE_DEFAULT ? NULL : of->bias,
		.d = { d, bf16_d }, .workspace = need ? workspace : NULL,
		.step_before = lc->step, .step_d = ld->step,
		.batch_before = lc->batch_step, .batch_d = ld->batch_step,
		.rows = (int)ld->rows, .columns = (int)ld->columns, .k = columns_of(la, of->ta),
		.bf16 = la->type == LT_R_16BF, .relu = of->epilogue == LT_EPILOGUE_RELU_BIAS,
	};
	int blocks = blocks_for((size_t)j.rows * (size_t)j.columns, THREADS);
	LAUNCH(NULL, multiply, blocks, 1, ld->batches, j);
	return LT_SUCCESS;
}
