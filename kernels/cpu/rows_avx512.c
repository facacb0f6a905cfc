/* rows_avx512: the loops of rows.inc for CPUs with AVX-512. */
#define ROWS rows_avx512
#include "kernels/cpu/rows.inc"
