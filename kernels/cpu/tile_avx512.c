/* tile_avx512: the inner loops for AVX-512: thirty-two registers of sixteen floats. */
#define NAME tile_avx512
#define LANES 16
#define WIDE 4
#define ROWS1 8
#define ROWS2 8
#define ROWS3 8
#define ROWS4 6
#include "kernels/cpu/tile.inc"
