/* tile_base: the inner loops for any CPU: vectors of four. */
#define NAME tile_base
#define LANES 4
#define WIDE 2
#define ROWS1 8
#define ROWS2 6
#include "kernels/cpu/tile.inc"
