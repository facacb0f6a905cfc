/* tile_base: the inner loops for any CPU: vectors of four. */
#define NAME tile_base
#define LANES 4
#ifdef __aarch64__                           /* which has thirty-two of them */
#define WIDE 4
#define ROWS1 8
#define ROWS2 8
#define ROWS3 8
#define ROWS4 6
#else
#define WIDE 2
#define ROWS1 8
#define ROWS2 6
#endif
#include "kernels/cpu/tile.inc"
