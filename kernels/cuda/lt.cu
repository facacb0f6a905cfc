/* lt: products of matrices by cuBLASLt.  It counts matrices column after column: ours, row after
 * row, are their transposes, so that it is asked for c^T = b^T a^T. */
#include "kernels/cuda/lt.h"
#include "kernels/cuda/cublaslt.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

enum { WORKSPACE = 32 << 20, WORKSPACE_ALIGNED = 256 };   /* bytes; at most */

struct lt { struct lt_calls call; void *handle; struct lt_plan *first; };

/* A product with what cuBLASLt keeps of it; none: it has no algorithm. */
struct lt_plan {
	struct lt_product of;
	void *desc, *a, *b, *c;
	struct lt_found found;
	bool none;
	struct lt_plan *next;
};

#ifdef __CUDACC__
static const char *const known[] = {
	"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so.11"
};
static void *stream_of(struct backend *b) { return cuda_stream(b); }
#else
static const char *const known[] = { "none" };   /* a real one has nothing to do here */
static void *stream_of(struct backend *b) { (void)b; return NULL; }
#endif

/* 0, or -1 with the reason in why. */
static int load(struct lt_calls *call, const char *name, char *why, size_t size)
{
	void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);   /* stays: handles may be many */

	if (!library) {
		snprintf(why, size, "%s", dlerror());
		return -1;
	}
#define FIND(name, arguments) \
	*(void **)&call->name = dlsym(library, "cublasLt" #name); \
	if (!call->name) missing = "cublasLt" #name;
	const char *missing = NULL;
	LT_CALLS(FIND)
	FIND(GetVersion, )
	FIND(GetStatusString, )
#undef FIND
	if (missing) snprintf(why, size, "%s: found no %s in it", name, missing);
	return missing ? -1 : 0;
}

static struct lt *start(const char *name, char *engine, size_t size)
{
	struct lt *t = (struct lt *)calloc(1, sizeof *t);

	if (!t) snprintf(engine, size, "no memory");
	if (!t || load(&t->call, name, engine, size)) {
		free(t);
		return NULL;
	}
	int status = t->call.Create(&t->handle), version = (int)t->call.GetVersion();
	if (status == LT_SUCCESS) {
		snprintf(engine, size, "cuBLASLt %d.%d.%d (%s)", version / 10000,
			 version / 100 % 100, version % 100, name);
		return t;
	}
	snprintf(engine, size, "%s: %s", name, t->call.GetStatusString(status));
	free(t);
	return NULL;
}

struct lt *cuda_lt_open(struct backend *b, char *engine, size_t size)
{
	const char *named = getenv("IC_CUBLAS");
	char why[400] = "not asked for";
	struct lt *t = NULL;

	if (cuda_precision(b) == PRECISION_F32) {
		snprintf(engine, size, "own kernels");
		return NULL;
	}
	if (named && !*named) named = NULL;
	for (size_t i = 0; i < (named ? 1 : sizeof known / sizeof *known) && !t; i++) {
		const char *name = named ? named : known[i];
		if (strcmp(name, "none")) t = start(name, why, sizeof why);
	}
	if (!t && named && strcmp(named, "none")) cuda_failed(b, "IC_CUBLAS", why);
	snprintf(engine, size, t ? "%s" : "own kernels (cuBLASLt: %s)", why);
	return t;
}

static void drop(struct lt *t, struct lt_plan *p)
{
	if (p->desc) t->call.MatmulDescDestroy(p->desc);
	if (p->a) t->call.MatrixLayoutDestroy(p->a);
	if (p->b) t->call.MatrixLayoutDestroy(p->b);
	if (p->c) t->call.MatrixLayoutDestroy(p->c);
	free(p);
}

void cuda_lt_close(struct lt *t)
{
	if (!t) return;
	for (struct lt_plan *p = t->first, *next; p; p = next) {
		next = p->next;
		drop(t, p);
	}
	t->call.Destroy(t->handle);
	free(t);
}

/* Of [rows][columns] row after row: its transpose. */
static int set_layout(struct lt *t, void **to, int type, int rows, int columns, int step,
		      int batches, int64_t batch_step)
{
	int status = t->call.MatrixLayoutCreate(to, type, (uint64_t)columns, (uint64_t)rows, step);

	if (!status)
		status = t->call.MatrixLayoutSetAttribute(*to, LT_LAYOUT_BATCH_COUNT, &batches,
							  sizeof batches);
	if (!status)
		status = t->call.MatrixLayoutSetAttribute(*to, LT_LAYOUT_BATCH_STEP, &batch_step,
							  sizeof batch_step);
	return status;
}

static int set_bias(struct lt *t, struct lt_plan *p, const void *bias)
{
	return t->call.MatmulDescSetAttribute(p->desc, LT_DESC_BIAS, &bias, sizeof bias);
}

/* Its first factor is our b. */
static int set_desc(struct lt *t, struct lt_plan *p)
{
	const struct lt_product *of = &p->of;
	int ta = of->ta ? LT_OP_T : LT_OP_N, tb = of->tb ? LT_OP_T : LT_OP_N;
	int after = of->after & LT_BIAS ? LT_EPILOGUE_BIAS : LT_EPILOGUE_DEFAULT;
	int compute = of->bf16 ? LT_COMPUTE_32F : LT_COMPUTE_32F_FAST_TF32;
	int status = t->call.MatmulDescCreate(&p->desc, compute, LT_R_32F);

	if (!status)
		status = t->call.MatmulDescSetAttribute(p->desc, LT_DESC_TRANSA, &tb, sizeof tb);
	if (!status)
		status = t->call.MatmulDescSetAttribute(p->desc, LT_DESC_TRANSB, &ta, sizeof ta);
	if (!status)
		status = t->call.MatmulDescSetAttribute(p->desc, LT_DESC_EPILOGUE, &after,
							sizeof after);
	/* the search looks at how it is aligned */
	if (!status && of->after & LT_BIAS) status = set_bias(t, p, (const void *)LT_ALIGNED);
	return status;
}

static int describe(struct lt *t, struct lt_plan *p)
{
	const struct lt_product *of = &p->of;
	int type = of->bf16 ? LT_R_16BF : LT_R_32F, status = set_desc(t, p);

	if (!status)
		status = set_layout(t, &p->a, type, of->ta ? of->k : of->m, of->ta ? of->m : of->k,
				    of->row_a, of->batches, of->step_a);
	if (!status)
		status = set_layout(t, &p->b, type, of->tb ? of->n : of->k, of->tb ? of->k : of->n,
				    of->row_b, of->batches, of->step_b);
	if (!status)
		status = set_layout(t, &p->c, of->bf16_c ? LT_R_16BF : LT_R_32F, of->m, of->n,
				    of->n, of->batches, (int64_t)of->m * of->n);
	return status;
}

/* What algorithms may ask for and do; see lt.h. */
static int set_wanted(struct lt *t, void *wanted)
{
	uint64_t workspace = WORKSPACE;
	uint32_t reductions = LT_REDUCTION_COMPUTE_TYPE, aligned = LT_ALIGNED;
	int status = t->call.MatmulPreferenceSetAttribute(wanted, LT_PREF_WORKSPACE, &workspace,
							  sizeof workspace);

	if (!status)
		status = t->call.MatmulPreferenceSetAttribute(wanted, LT_PREF_REDUCTIONS,
							      &reductions, sizeof reductions);
	for (int what = LT_PREF_ALIGN_A; what <= LT_PREF_ALIGN_D && !status; what++)
		status = t->call.MatmulPreferenceSetAttribute(wanted, what, &aligned,
							      sizeof aligned);
	return status;
}

static int find_algorithm(struct lt *t, struct lt_plan *p)
{
	void *wanted = NULL;
	int found = 0, status = t->call.MatmulPreferenceCreate(&wanted);

	if (!status) status = set_wanted(t, wanted);
	if (!status)
		status = t->call.MatmulAlgoGetHeuristic(t->handle, p->desc, p->b, p->a, p->c, p->c,
							wanted, 1, &p->found, &found);
	if (wanted) t->call.MatmulPreferenceDestroy(wanted);
	p->none = status == LT_NOT_SUPPORTED ||
		  (!status && (!found || p->found.state != LT_SUCCESS));
	return p->none ? LT_SUCCESS : status;
}

static void tell(struct backend *b, const char *what, int status)
{
	if (status) cuda_failed(b, what, cuda_lt(b)->call.GetStatusString(status));
}

struct lt_plan *cuda_lt_plan(struct backend *b, const struct lt_product *of)
{
	struct lt *t = cuda_lt(b);
	struct lt_plan *p = t->first;

	while (p && memcmp(&p->of, of, sizeof *of)) p = p->next;
	if (!p) {
		if (!(p = (struct lt_plan *)calloc(1, sizeof *p))) {
			cuda_failed(b, "cuBLASLt", "no memory");
			return NULL;
		}
		p->of = *of;
		int status = describe(t, p);
		if (!status) status = find_algorithm(t, p);
		p->none |= status != LT_SUCCESS;
		tell(b, "cuBLASLt, the search for an algorithm", status);
		p->next = t->first;
		t->first = p;
	}
	return p->none ? NULL : p;
}

size_t cuda_lt_scratch(const struct lt_plan *p)
{
	return p->found.workspace ? p->found.workspace + WORKSPACE_ALIGNED : 0;
}

void cuda_lt_run(struct backend *b, struct lt_plan *p, void *c, const void *first,
		 const void *second, const float *bias, const float *rest, void *work)
{
	struct lt *t = cuda_lt(b);
	float alpha = 1, beta = p->of.after & LT_REST ? 1 : 0;
	uintptr_t each = WORKSPACE_ALIGNED, at = ((uintptr_t)work + each - 1) / each * each;
	int status = p->of.after & LT_BIAS ? set_bias(t, p, bias) : LT_SUCCESS;

	if (!status)
		status = t->call.Matmul(t->handle, p->desc, &alpha, second, p->b, first, p->a,
					&beta, beta ? rest : c, p->c, c, p->c, &p->found.algorithm,
					p->found.workspace ? (void *)at : NULL,
					p->found.workspace, stream_of(b));
	tell(b, "cuBLASLt", status);
	cuda_after(b, "a product by cuBLASLt");
}
