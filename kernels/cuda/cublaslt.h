/* cublaslt: the part of cuBLASLt's binary interface that lt.cu uses, the same in its versions 11
 * to 13: neither its headers nor the library are needed to build.  Where nvcc has the headers,
 * lt.cu compares the numbers (cublasLt.h, cublas_api.h, library_types.h of CUDA 11.8, 12.4, 13.0).
 */
#ifndef IC_CUDA_CUBLASLT_H
#define IC_CUDA_CUBLASLT_H

#include <stddef.h>
#include <stdint.h>

enum lt_status { LT_SUCCESS = 0, LT_INVALID_VALUE = 7, LT_NOT_SUPPORTED = 15 };
enum lt_type { LT_R_32F = 0, LT_R_16BF = 14 };
enum lt_compute { LT_COMPUTE_32F = 68, LT_COMPUTE_32F_FAST_TF32 = 77 };
enum lt_transpose { LT_OP_N = 0, LT_OP_T = 1 };

/* Of a product: int32 each, a pointer the last. */
enum lt_desc { LT_DESC_TRANSA = 3, LT_DESC_TRANSB = 4, LT_DESC_EPILOGUE = 7, LT_DESC_BIAS = 8 };
enum lt_epilogue { LT_EPILOGUE_DEFAULT = 1, LT_EPILOGUE_BIAS = 4, LT_EPILOGUE_RELU_BIAS = 6 };

/* Of a matrix, column after column: int32, and int64 elements. */
enum lt_layout { LT_LAYOUT_BATCH_COUNT = 5, LT_LAYOUT_BATCH_STEP = 6 };

/* What is wanted of an algorithm: bytes in uint64, the others in uint32. */
enum lt_pref {
	LT_PREF_WORKSPACE = 1,
	LT_PREF_REDUCTIONS = 3,
	LT_PREF_ALIGN_A = 5, LT_PREF_ALIGN_B, LT_PREF_ALIGN_C, LT_PREF_ALIGN_D
};
/* parts of a sum lie in the workspace and are added by a kernel of its own */
enum lt_reduction { LT_REDUCTION_COMPUTE_TYPE = 2 };

struct lt_algorithm { uint64_t data[8]; };
struct lt_found {
	struct lt_algorithm algorithm;
	size_t workspace;
	int state;                           /* enum lt_status */
	float waves;
	int reserved[4];
};

/* Its functions, as CALL(name, arguments); all return enum lt_status. */
#define LT_CALLS(CALL) \
	CALL(Create, (void **handle)) \
	CALL(Destroy, (void *handle)) \
	CALL(MatmulDescCreate, (void **desc, int compute, int scale)) \
	CALL(MatmulDescSetAttribute, (void *desc, int what, const void *value, size_t bytes)) \
	CALL(MatmulDescDestroy, (void *desc)) \
	CALL(MatrixLayoutCreate, (void **layout, int type, uint64_t rows, uint64_t columns, \
				  int64_t step)) \
	CALL(MatrixLayoutSetAttribute, (void *layout, int what, const void *value, size_t bytes)) \
	CALL(MatrixLayoutDestroy, (void *layout)) \
	CALL(MatmulPreferenceCreate, (void **wanted)) \
	CALL(MatmulPreferenceSetAttribute, (void *wanted, int what, const void *value, \
					    size_t bytes)) \
	CALL(MatmulPreferenceDestroy, (void *wanted)) \
	CALL(MatmulAlgoGetHeuristic, (void *handle, void *desc, void *a, void *b, void *c, \
				      void *d, void *wanted, int most, struct lt_found *, \
				      int *found)) \
	CALL(Matmul, (void *handle, void *desc, const void *alpha, const void *a, void *a_layout, \
		      const void *b, void *b_layout, const void *beta, const void *c, \
		      void *c_layout, void *d, void *d_layout, const struct lt_algorithm *, \
		      void *workspace, size_t bytes, void *stream))

#define LT_MEMBER(name, arguments) int (*name) arguments;
struct lt_calls {
	LT_CALLS(LT_MEMBER)
	size_t (*GetVersion)(void);
	const char *(*GetStatusString)(int status);
};
#undef LT_MEMBER

#if defined __CUDACC__ && __has_include(<cublasLt.h>)
#include <cublasLt.h>

#define SAME(ours, theirs) static_assert((int)(ours) == (int)(theirs), #theirs)
SAME(LT_SUCCESS, CUBLAS_STATUS_SUCCESS);
SAME(LT_INVALID_VALUE, CUBLAS_STATUS_INVALID_VALUE);
SAME(LT_NOT_SUPPORTED, CUBLAS_STATUS_NOT_SUPPORTED);
SAME(LT_R_32F, CUDA_R_32F);
SAME(LT_R_16BF, CUDA_R_16BF);
SAME(LT_COMPUTE_32F, CUBLAS_COMPUTE_32F);
SAME(LT_COMPUTE_32F_FAST_TF32, CUBLAS_COMPUTE_32F_FAST_TF32);
SAME(LT_OP_N, CUBLAS_OP_N);
SAME(LT_OP_T, CUBLAS_OP_T);
SAME(LT_DESC_TRANSA, CUBLASLT_MATMUL_DESC_TRANSA);
SAME(LT_DESC_TRANSB, CUBLASLT_MATMUL_DESC_TRANSB);
SAME(LT_DESC_EPILOGUE, CUBLASLT_MATMUL_DESC_EPILOGUE);
SAME(LT_DESC_BIAS, CUBLASLT_MATMUL_DESC_BIAS_POINTER);
SAME(LT_EPILOGUE_DEFAULT, CUBLASLT_EPILOGUE_DEFAULT);
SAME(LT_EPILOGUE_BIAS, CUBLASLT_EPILOGUE_BIAS);
SAME(LT_EPILOGUE_RELU_BIAS, CUBLASLT_EPILOGUE_RELU_BIAS);
SAME(LT_LAYOUT_BATCH_COUNT, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT);
SAME(LT_LAYOUT_BATCH_STEP, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET);
SAME(LT_PREF_WORKSPACE, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
SAME(LT_PREF_REDUCTIONS, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK);
SAME(LT_PREF_ALIGN_A, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES);
SAME(LT_PREF_ALIGN_D, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES);
SAME(LT_REDUCTION_COMPUTE_TYPE, CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE);
SAME(sizeof(struct lt_algorithm), sizeof(cublasLtMatmulAlgo_t));
SAME(sizeof(struct lt_found), sizeof(cublasLtMatmulHeuristicResult_t));
#undef SAME
#endif

#endif
