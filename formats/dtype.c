/* dtype: element types of tensors: sizes, names, half precision, widening to float and int64. */
#include "formats/safetensors.h"
#include "lib/base/fail.h"

#include <string.h>

static const struct { const char *name; size_t size; } types[] = {
	[DT_F32] = { "F32", 4 }, [DT_F16] = { "F16", 2 }, [DT_BF16] = { "BF16", 2 },
	[DT_F64] = { "F64", 8 }, [DT_I64] = { "I64", 8 }, [DT_I32] = { "I32", 4 },
	[DT_U8] = { "U8", 1 },   [DT_I16] = { "I16", 2 }, [DT_I8] = { "I8", 1 },
	[DT_BOOL] = { "BOOL", 1 }, [DT_U16] = { "U16", 2 }, [DT_U32] = { "U32", 4 },
	[DT_U64] = { "U64", 8 },
};

size_t dtype_size(enum dtype t)
{
	return types[t].size;
}

const char *dtype_name(enum dtype t)
{
	return types[t].name;
}

static float from_bits(uint32_t u)
{
	float f;
	memcpy(&f, &u, 4);
	return f;
}

static uint32_t to_bits(float f)
{
	uint32_t u;
	memcpy(&u, &f, 4);
	return u;
}

/* Half: sign 1, exponent 5 (bias 15), fraction 10.  The shifted bits read as a float are the value
 * times 2^-112, exactly. */
float f16_to_f32(uint16_t h)
{
	uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = (uint32_t)(h & 0x7FFF) << 13;

	if (rest >= 0x0F800000)                 /* infinite or not a number */
		return from_bits(sign | 0x7F800000 | rest);
	return from_bits(sign | to_bits(from_bits(rest) * 0x1p112f));
}

uint16_t f32_to_f16(float f)
{
	uint32_t u = to_bits(f), sign = u >> 16 & 0x8000, a = u & 0x7FFFFFFF;

	if (a > 0x7F800000) return (uint16_t)(sign | 0x7E00);
	if (a >= 0x477FF000) return (uint16_t)(sign | 0x7C00);          /* 65520 and more */
	/* Below 2^-14 adding 1/2 rounds at the last bit of a subnormal, 2^-24. */
	if (a < 0x38800000)
		return (uint16_t)(sign | (to_bits(from_bits(a) + 0.5f) - 0x3F000000));
	return (uint16_t)(sign | ((a - 0x38000000 + 0xFFF + (a >> 13 & 1)) >> 13));
}

static float float_at(const struct tensor *t, int64_t i)
{
	uint16_t h;
	double d;

	switch (t->type) {
	case DT_F16:
		memcpy(&h, (const char *)t->data + 2 * i, 2);
		return f16_to_f32(h);
	case DT_BF16:
		memcpy(&h, (const char *)t->data + 2 * i, 2);
		return from_bits((uint32_t)h << 16);
	default:
		memcpy(&d, (const char *)t->data + 8 * i, 8);
		return (float)d;
	}
}

/* An array of .npy has no name. */
static int other_type(const char *path, const struct tensor *t, const char *expected)
{
	bool named = t->name && *t->name;

	return fail("%s: %s%sfound elements of type %s, expected %s", path, named ? t->name : "",
		named ? ": " : "", dtype_name(t->type), expected);
}

int tensor_floats(const char *path, const struct tensor *t, float *out)
{
	if (t->type != DT_F32 && t->type != DT_F16 && t->type != DT_BF16 && t->type != DT_F64)
		return other_type(path, t, "floats");
	if (t->type == DT_F32 && t->count) memcpy(out, t->data, (size_t)t->count * sizeof *out);
	for (int64_t i = 0; i < t->count && t->type != DT_F32; i++) out[i] = float_at(t, i);
	return 0;
}

int tensor_ints(const char *path, const struct tensor *t, int64_t *out)
{
	bool is_signed = t->type == DT_I64 || t->type == DT_I32 || t->type == DT_I16 ||
		t->type == DT_I8;
	size_t size = dtype_size(t->type);

	if (!is_signed && t->type != DT_U8 && t->type != DT_U16 && t->type != DT_U32)
		return other_type(path, t, "integers");
	for (int64_t i = 0; i < t->count; i++) {
		const char *from = (const char *)t->data + (size_t)i * size;
		uint64_t u = is_signed && from[size - 1] & 0x80 ? UINT64_MAX : 0;
		memcpy(&u, from, size);      /* the low bytes of a little-endian number */
		out[i] = (int64_t)u;
	}
	return 0;
}
