/* pack: operands of products as the numbers tensor cores read, in rows of whole chunks. */
#include "kernels/cuda/gemm.h"

/* Element c of row r of the source; zero outside. */
DEVICE float source(const struct pack *p, size_t r, int c)
{
	if (c >= p->width) return 0;
	if (!p->across) return data_get(p->from, r * (size_t)p->width + (size_t)c);
	size_t lines = (size_t)p->across, batch = r / lines;
	return data_get(p->from, (batch * (size_t)p->width + (size_t)c) * lines + r % lines);
}

DEVICE void read4(const struct pack *p, size_t r, int c, float v[4])
{
	if (!p->across && p->width % 4 == 0 && c < p->width)
		data_get4(p->from, r * (size_t)p->width + (size_t)c, v);
	else for (int i = 0; i < 4; i++) v[i] = source(p, r, c + i);
}

/* A thread has a chunk. */
KERNEL(pack_rows, struct pack)
{
	int each = chunk_elements(a.precision), across = a.padded / each;
	size_t i = (size_t)BLOCK_X * THREADS + (size_t)THREAD, row = i / (size_t)across;
	size_t group = row / (size_t)a.group_padded;
	int c = (int)(i % (size_t)across) * each, line = (int)(row % (size_t)a.group_padded);
	uint32_t *to = (uint32_t *)a.to + 4 * i;
	float v[8] = { 0, 0, 0, 0, 0, 0, 0, 0 };

	if (row >= a.rows) return;
	for (int k = 0; k < each && line < a.group; k += 4)
		read4(&a, group * (size_t)a.group + (size_t)line, c + k, v + k);
	put_chunk(a.precision, v, to);
}

bool cuda_pack_needed(const struct pack *p)
{
	int as_read = p->from.bf16 ? PRECISION_BF16 : PRECISION_F32;

	return p->precision != as_read || p->width != p->padded || p->group != p->group_padded ||
	       p->across;
}

size_t cuda_pack_bytes(const struct pack *p)
{
	return scratch_bytes(p->precision == PRECISION_BF16, p->rows * (size_t)p->padded);
}

void cuda_pack(struct backend *b, const struct pack *p)
{
	size_t chunks = p->rows * (size_t)(p->padded / chunk_elements(p->precision));

	LAUNCH(b, pack_rows, blocks_for(chunks, THREADS), 1, 1, *p);
}
