/* rows_base: the loops of rows.inc for the baseline of the machine. */
#define ROWS rows_base
#include "kernels/cpu/rows.inc"
