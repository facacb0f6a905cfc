/* lanes: one number or eight neighbours, as kernels have them in a thread.  Eight lie on 16 bytes,
 * where the numbers before them are a multiple of eight.  lanes: 1 or LANES. */
#ifndef IC_CUDA_LANES_H
#define IC_CUDA_LANES_H

#include "kernels/cuda/cuda.h"

enum { LANES = 8 };

DEVICE void get_floats(const float *from, float *v, int lanes)
{
	if (lanes == 1) v[0] = from[0];
	else for (int l = 0; l < lanes; l += 4) read_four(from + l, v + l);
}

DEVICE void put_floats(float *to, const float *v, int lanes)
{
	if (lanes == 1) to[0] = v[0];
	else for (int l = 0; l < lanes; l += 4) write_four(to + l, v + l);
}

/* w: two numbers of bf16 in each word; v may be w. */
DEVICE void open_halves(const float *w, float *v, int lanes)
{
	UNROLL
	for (int l = lanes - 1; l >= 0; l--) {
		uint32_t two = float_bits(w[l / 2]);
		v[l] = bits_float(l % 2 ? two & 0xffff0000u : two << 16);
	}
}

DEVICE void close_halves(const float *v, float *w, int lanes)
{
	UNROLL
	for (int l = 0; l < lanes; l += 2)
		w[l / 2] = bits_float(round_two(v[l], lanes > 1 ? v[l + 1] : 0));
}

/* From number i on: as words, so that nobody waits for them until lanes_open makes them numbers. */
DEVICE void lanes_ask(struct data d, size_t i, float *w, int lanes)
{
	if (lanes == 1) w[0] = data_get(d, i);
	else if (d.bf16) read_four((const float *)((const uint16_t *)d.p + i), w);
	else get_floats((const float *)d.p + i, w, lanes);
}

DEVICE void lanes_open(struct data d, float *w, int lanes)
{
	if (lanes > 1 && d.bf16) open_halves(w, w, lanes);
}

DEVICE void lanes_get(struct data d, size_t i, float *v, int lanes)
{
	lanes_ask(d, i, v, lanes);
	lanes_open(d, v, lanes);
}

DEVICE void lanes_put(struct data d, size_t i, const float *v, int lanes)
{
	float w[LANES / 2];

	if (lanes == 1) {
		data_put(d, i, v[0]);
	} else if (d.bf16) {
		close_halves(v, w, lanes);
		write_four((float *)((uint16_t *)d.p + i), w);
	} else {
		put_floats((float *)d.p + i, v, lanes);
	}
}

#endif
