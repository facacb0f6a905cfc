/* safetensors: named tensors in one file: u64 header length, JSON header, raw little-endian data.
 * Checkpoints and shipped weights are safetensors. */
#ifndef IC_SAFETENSORS_H
#define IC_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dtype {
	DT_F32 = 1, DT_F16, DT_BF16, DT_F64, DT_I64, DT_I32, DT_U8, DT_I16, DT_I8, DT_BOOL,
	DT_U16, DT_U32, DT_U64
};
size_t dtype_size(enum dtype);
const char *dtype_name(enum dtype);          /* "F32" */

struct tensor {
	char *name;
	enum dtype type;
	int rank;
	int64_t shape[8];
	int64_t count;                       /* product of shape; 1 for rank 0 */
	/* borrowed from the file's map, or the caller's when writing; any alignment */
	const void *data;
	const void *(*make)(void *ctx);      /* writing: gives the data when it is their turn */
	void *ctx;
};

struct tensors {
	char *path;
	int n;
	struct tensor *t;                    /* sorted by place in the file */
	int n_meta;
	struct { char *name, *value; } *meta;   /* "__metadata__" */
	void *map; size_t map_bytes;
	int n_owned;
	void **owned;                        /* data that are not in the map */
};

/* Reads by map: every length, offset, overlap, dtype, shape product and name is checked before
 * use. */
int tensors_open(struct tensors *, const char *path);
const struct tensor *tensors_find(const struct tensors *, const char *name);  /* NULL when absent */
const char *tensors_meta(const struct tensors *, const char *name);   /* NULL when absent */
/* What a checkpoint, or its generator alone, is known by, ic-ckpt(5); 0 for other files. */
uint64_t tensors_id(const struct tensors *);
/* Names, of tensors or of metadata: -1 after fail() with one that is given twice */
int tensors_unique(const struct tensors *, const char *path, bool meta);
/* count floats from a tensor of path of any float type; -1 after fail() for other types. */
int tensor_floats(const char *path, const struct tensor *, float *out);
/* the same for integers up to 64 bits */
int tensor_ints(const char *path, const struct tensor *, int64_t *out);
void tensors_own(struct tensors *, void *data);   /* frees it on closing */
void tensors_close(struct tensors *);

/* Writing: collect, then save in one go (path.part, fsync, rename; replaces path when force).  Data
 * is borrowed until then. */
void tensors_add(struct tensors *, const char *name, enum dtype, int rank, const int64_t *shape,
	const void *data);
/* Data that are only made to be written: make(ctx) returns them, valid until the next call. */
void tensors_add_made(struct tensors *, const char *name, enum dtype, int rank,
	const int64_t *shape, const void *(*make)(void *ctx), void *ctx);
void tensors_add_meta(struct tensors *, const char *name, const char *value);
int tensors_save(struct tensors *, const char *path, bool force);

float f16_to_f32(uint16_t);
uint16_t f32_to_f16(float);                  /* round to nearest even */

#endif
