/* rows_avx2: the loops of rows.inc for CPUs with AVX2 and FMA. */
#define ROWS rows_avx2
#include "kernels/cpu/rows.inc"
