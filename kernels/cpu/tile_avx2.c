/* tile_avx2: the inner loops for AVX2: sixteen registers of eight floats. */
#define NAME tile_avx2
#define LANES 8
#define WIDE 2
#define ROWS1 8
#define ROWS2 6
#include "kernels/cpu/tile.inc"
