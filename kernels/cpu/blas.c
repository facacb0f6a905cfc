/* blas: the one door to OpenBLAS: products on one thread each, factorisations on two. */
#include "kernels/cpu/blas.h"

#include <cblas.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* LAPACK's Fortran interface: column-major, everything by address, the length of each text at the
 * end. */
void dsyevd_(const char *job, const char *uplo, const int *n, double *a, const int *lda, double *w,
	double *work, const int *lwork, int *iwork, const int *liwork, int *info, size_t, size_t);
void dpstrf_(const char *uplo, const int *n, double *a, const int *lda, int *p, int *rank,
	const double *floor, double *work, int *info, size_t);
void dgesdd_(const char *job, const int *m, const int *n, double *a, const int *lda, double *s,
	double *u, const int *ldu, double *vt, const int *ldvt, double *work, const int *lwork,
	int *iwork, int *info, size_t);
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info, size_t);

/* How long a thread that waits for the others keeps a core busy before it sleeps.  libgomp's own
 * 300,000 rounds halve the speed of a program that shares its cores with another. */
#define SPINS "10000"

enum { NO_MEMORY = -1000 };                  /* an info no routine gives */

/* Two whatever the machine has: the rounding of threaded LAPACK depends on the number of threads.
 */
enum { LAPACK_THREADS = 2 };

__attribute__((constructor)) static void one_thread(void)
{
	openblas_set_num_threads(1);
}

const char *blas_core(void)
{
	return openblas_get_corename();
}

#ifdef __x86_64__
static bool core_is_one_of(const char *const *names)
{
	for (; *names; names++)
		if (!strcasecmp(blas_core(), *names)) return true;
	return false;
}

/* The core type that suits this CPU better than the chosen one, or NULL.  The tests are of the
 * instructions that OpenBLAS's kernels of that name need, with the operating system's consent (the
 * builtin asks xgetbv). */
static const char *better_core(void)
{
	static const char *const avx512[] = { "SkylakeX", "Cooperlake", "SapphireRapids", NULL };
	static const char *const avx2[] = { "Haswell", "Zen", "Excavator", NULL };

	__builtin_cpu_init();
	if (core_is_one_of(avx512)) return NULL;
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
		&& __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
		&& __builtin_cpu_supports("avx512cd")) return "SkylakeX";
	if (core_is_one_of(avx2)) return NULL;
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
	return NULL;
}
#else
static const char *better_core(void)
{
	return NULL;
}
#endif

/* What is set from outside is somebody's choice, ours of a moment ago included. */
void blas_start(char **argv)
{
	char self[PATH_MAX] = "";
	const char *forbidden = getenv("IC_NO_REEXEC");
	const char *core = getenv("OPENBLAS_CORETYPE") ? NULL : better_core();
	bool spins = !getenv("GOMP_SPINCOUNT") && !getenv("OMP_WAIT_POLICY");

	if (!core && !spins) return;
	if (forbidden && *forbidden && strcmp(forbidden, "0")) return;
	if (core && setenv("OPENBLAS_CORETYPE", core, 1)) return;
	if (spins && setenv("GOMP_SPINCOUNT", SPINS, 1)) return;
	/* by its path, for ps and pkill to see its name; where that fails, it goes on, slower */
	if (readlink("/proc/self/exe", self, sizeof self - 1) > 0) execv(self, argv);
	if (core) unsetenv("OPENBLAS_CORETYPE");
	if (spins) unsetenv("GOMP_SPINCOUNT");
}

void blas_sgemm(bool ta, bool tb, int m, int n, int k, float alpha, const float *a, int lda,
	const float *b, int ldb, float beta, float *c, int ldc)
{
	cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans,
		m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void blas_dgemm(bool ta, bool tb, int m, int n, int k, double alpha, const double *a, int lda,
	const double *b, int ldb, double beta, double *c, int ldc)
{
	cblas_dgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans,
		m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

void blas_dsyrk(int n, int k, double alpha, const double *a, int lda, double *c, int ldc)
{
	cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, n, k, alpha, a, lda, 1, c, ldc);
}

void blas_dtrsm(int n, int m, const double *l, int ldl, double *b, int ldb)
{
	cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, n, m, 1,
		l, ldl, b, ldb);
}

/* Row-major symmetric is column-major symmetric; LAPACK's column i is our row i. */
int lapack_eigh(int n, double *a, double *w)
{
	int info = 0, lwork = -1, liwork = -1, isize = 0;
	double size = 0;

	dsyevd_("V", "U", &n, a, &n, w, &size, &lwork, &isize, &liwork, &info, 1, 1);
	if (info) return info;
	lwork = (int)size;
	liwork = isize;
	double *work = malloc((size_t)lwork * sizeof *work);
	int *iwork = malloc((size_t)liwork * sizeof *iwork);
	info = NO_MEMORY;
	if (work && iwork) {
		openblas_set_num_threads(LAPACK_THREADS);
		dsyevd_("V", "U", &n, a, &n, w, work, &lwork, iwork, &liwork, &info, 1, 1);
		openblas_set_num_threads(1);
	}
	free(work);
	free(iwork);
	return info;
}

/* Column-major P^T A P = U^T U; our row i is column i of U.  info 1 says that the rank is less than
 * n. */
int lapack_cholesky(int n, double *a, double floor, int *p, int *rank)
{
	int info = 0;
	double *work = malloc(2 * (size_t)n * sizeof *work);

	if (!work) return NO_MEMORY;
	openblas_set_num_threads(LAPACK_THREADS);
	dpstrf_("U", &n, a, &n, p, rank, &floor, work, &info, 1);
	openblas_set_num_threads(1);
	for (int i = 0; i < n; i++) p[i]--;
	free(work);
	return info < 0 ? info : 0;
}

/* Row-major a[m][n] is the column-major transpose, which has the same singular values. */
int lapack_singular(int m, int n, double *a, double *s)
{
	int info = 0, lwork = -1, one = 1;
	double size = 0, none = 0;
	int *iwork = malloc(8 * (size_t)(m < n ? m : n) * sizeof *iwork);

	if (!iwork) return NO_MEMORY;
	dgesdd_("N", &n, &m, a, &n, s, &none, &one, &none, &one, &size, &lwork, iwork, &info, 1);
	lwork = (int)size;
	double *work = info ? NULL : malloc((size_t)lwork * sizeof *work);
	if (!info && !work) info = NO_MEMORY;
	if (!info) {
		openblas_set_num_threads(LAPACK_THREADS);
		dgesdd_("N", &n, &m, a, &n, s, &none, &one, &none, &one, work, &lwork, iwork, &info,
			1);
		openblas_set_num_threads(1);
	}
	free(work);
	free(iwork);
	return info;
}

/* The lower triangle row-major is the upper one column-major, where a = U' U with U = L'. */
int lapack_factor(int n, double *a)
{
	int info = 0;

	dpotrf_("U", &n, a, &n, &info, 1);
	return info;
}
