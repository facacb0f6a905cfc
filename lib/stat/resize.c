/* resize: resampling that matches the reference pixels; two passes, columns then rows. */
#include "lib/stat/resize.h"
#include "lib/base/fail.h"
#include "lib/base/mem.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* One axis: output i is the sum over j < count[i] of weight[i * taps + j] * input[first[i] + j]. */
struct axis { int taps; int *first, *count; double *weight; };

static double box(double x)
{
	return x > -0.5 && x <= 0.5 ? 1 : 0;
}

static double triangle(double x)
{
	x = fabs(x);
	return x < 1 ? 1 - x : 0;
}

static double cubic(double x)
{
	const double a = -0.5;

	x = fabs(x);
	if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
	return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static double sinc(double x)
{
	return x == 0 ? 1 : sin(x * M_PI) / (x * M_PI);
}

static double lanczos(double x)
{
	return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
}

static const struct { double (*at)(double); double reach; } filters[] = {
	[FILTER_BOX] = { box, 0.5 }, [FILTER_TRIANGLE] = { triangle, 1 },
	[FILTER_CUBIC] = { cubic, 2 }, [FILTER_LANCZOS] = { lanczos, 3 },
};

static struct axis axis_new(int out, int taps)
{
	size_t n = (size_t)out;

	return (struct axis){
		.taps = taps, .first = mem_new(n, sizeof(int)), .count = mem_new(n, sizeof(int)),
		.weight = mem_new(n * (size_t)taps, sizeof(double)),
	};
}

static void axis_free(struct axis *a)
{
	free(a->first);
	free(a->count);
	free(a->weight);
}

/* Pillow's taps: the filter is stretched by in/out when shrinking; the weights of an output sum to
 * one. */
static struct axis axis_pillow(int in, int out, enum filter filter)
{
	double scale = (double)in / out, stretch = scale < 1 ? 1 : scale;
	double reach = filters[filter].reach * stretch, inverse = 1 / stretch;
	struct axis a = axis_new(out, (int)ceil(reach) * 2 + 1);

	for (int i = 0; i < out; i++) {
		double centre = (i + 0.5) * scale, sum = 0;
		double *w = a.weight + (size_t)i * (size_t)a.taps;
		int low = (int)(centre - reach + 0.5), high = (int)(centre + reach + 0.5);
		if (low < 0) low = 0;
		if (high > in) high = in;
		a.first[i] = low;
		a.count[i] = high - low;
		for (int j = 0; j < high - low; j++)
			sum += w[j] = filters[filter].at((j + low - centre + 0.5) * inverse);
		for (int j = 0; j < high - low && sum != 0; j++) w[j] /= sum;
	}
	return a;
}

/* Weights as integers of 22 fractional bits, rounded away from zero at one half. */
enum { FRACTION = 22 };

static int32_t *fixed(const struct axis *a, int out)
{
	size_t n = (size_t)out * (size_t)a->taps;
	int32_t *k = mem_new(n, sizeof *k);

	for (size_t i = 0; i < n; i++)
		k[i] = (int32_t)(a->weight[i] * (1 << FRACTION) + (a->weight[i] < 0 ? -0.5 : 0.5));
	return k;
}

static uint8_t to_byte(int32_t sum)
{
	int32_t v = sum >> FRACTION;
	return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* One output pixel of up to four channels: a sum for each, so that the taps are walked once. */
static void pixel_u8(const uint8_t *p, const int32_t *w, int taps, uint8_t *to, int channels)
{
	enum { HALF = 1 << (FRACTION - 1) };
	int32_t sum[4] = { HALF, HALF, HALF, HALF };

	if (channels == 3) {
		for (int j = 0; j < taps; j++, p += 3) {
			sum[0] += w[j] * p[0];
			sum[1] += w[j] * p[1];
			sum[2] += w[j] * p[2];
		}
	} else {
		for (int j = 0; j < taps; j++, p += channels)
			for (int c = 0; c < channels; c++) sum[c] += w[j] * p[c];
	}
	for (int c = 0; c < channels; c++) to[c] = to_byte(sum[c]);
}

static void columns_u8(const uint8_t *from, int h, int w0, uint8_t *to, int w1, int channels,
	enum filter filter)
{
	struct axis a = axis_pillow(w0, w1, filter);
	int32_t *k = fixed(&a, w1);

	for (int y = 0; y < h; y++) {
		const uint8_t *row = from + (size_t)y * (size_t)w0 * (size_t)channels;
		for (int x = 0; x < w1; x++, to += channels)
			pixel_u8(row + (size_t)a.first[x] * (size_t)channels,
				k + (size_t)x * (size_t)a.taps, a.count[x], to, channels);
	}
	free(k);
	axis_free(&a);
}

static void rows_u8(const uint8_t *from, int h0, size_t width, uint8_t *to, int h1,
	enum filter filter)
{
	struct axis a = axis_pillow(h0, h1, filter);
	int32_t *k = fixed(&a, h1), *sum = mem_new(width, sizeof *sum);

	for (int y = 0; y < h1; y++, to += width) {
		for (size_t x = 0; x < width; x++) sum[x] = 1 << (FRACTION - 1);
		for (int j = 0; j < a.count[y]; j++) {
			const uint8_t *row = from + (size_t)(a.first[y] + j) * width;
			int32_t w = k[(size_t)y * (size_t)a.taps + (size_t)j];
			for (size_t x = 0; x < width; x++) sum[x] += w * row[x];
		}
		for (size_t x = 0; x < width; x++) to[x] = to_byte(sum[x]);
	}
	free(sum);
	free(k);
	axis_free(&a);
}

void resize_u8(const uint8_t *from, int h0, int w0, uint8_t *to, int h1, int w1, int channels,
	enum filter filter)
{
	size_t width = (size_t)w1 * (size_t)channels;
	uint8_t *between = NULL;

	must(channels >= 1 && channels <= 4 && filter <= FILTER_LANCZOS);
	if (w0 != w1) {
		uint8_t *into = h0 == h1 ? to : (between = mem_new((size_t)h0, width));
		columns_u8(from, h0, w0, into, w1, channels, filter);
		from = into;
	}
	if (h0 != h1) rows_u8(from, h0, width, to, h1, filter);
	else if (from != to) memcpy(to, from, (size_t)h0 * width);
	free(between);
}

static int clamp(int i, int n)
{
	return i < 0 ? 0 : i >= n ? n - 1 : i;
}

/* Where output i of an axis lies in the input, in pixels from the centre of the first.
 * TensorFlow's first version had the corner of a pixel for its place, and reckoned in float. */
static double place(int i, int in, int out, enum filter filter)
{
	bool aligned = filter == TORCH_CUBIC_ALIGNED || filter == TORCH_LINEAR_ALIGNED;
	double at, size = filter == TORCH_CUBIC_TENTH ? out + 0.1 : out;

	if (filter == TF_LINEAR) return (float)i * ((float)in / (float)out);
	at = aligned ? i * (out > 1 ? (in - 1.0) / (out - 1) : 0) : (i + 0.5) * in / size - 0.5;
	return filter == TORCH_LINEAR && at < 0 ? 0 : at;
}

/* Taps of PyTorch and TensorFlow: two around the place, or four with the cubic of a = -3/4; those
 * outside are taken from the border. */
static struct axis axis_plain(int in, int out, enum filter filter)
{
	const double a = -0.75;
	bool cubic = filter <= TORCH_CUBIC_TENTH;
	struct axis axis = axis_new(out, 4);

	for (int i = 0; i < out; i++) {
		double at = place(i, in, out, filter), t = at - floor(at), u = 1 - t;
		double k[4] = { 0, u, t, 0 }, *w = axis.weight + 4 * (size_t)i;
		if (cubic) {
			k[0] = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a;
			k[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
			k[2] = ((a + 2) * u - (a + 3)) * u * u + 1;
			k[3] = ((a * (u + 1) - 5 * a) * (u + 1) + 8 * a) * (u + 1) - 4 * a;
		}
		int low = (int)floor(at) - 1, first = clamp(low, in), last = clamp(low + 3, in);
		axis.first[i] = first;
		axis.count[i] = last - first + 1;
		for (int j = 0; j < 4; j++) w[clamp(low + j, in) - first] += k[j];
	}
	return axis;
}

static struct axis axis_of(int in, int out, enum filter filter)
{
	return filter <= FILTER_LANCZOS ? axis_pillow(in, out, filter) :
		axis_plain(in, out, filter);
}

static void columns_f32(const float *from, int h, int w0, float *to, int w1, int channels,
	enum filter filter)
{
	struct axis a = axis_of(w0, w1, filter);

	for (int y = 0; y < h; y++, from += (size_t)w0 * (size_t)channels)
		for (int x = 0; x < w1; x++) {
			const double *w = a.weight + (size_t)x * (size_t)a.taps;
			const float *p = from + (size_t)a.first[x] * (size_t)channels;
			for (int c = 0; c < channels; c++) {
				double sum = 0;
				for (int j = 0; j < a.count[x]; j++)
					sum += w[j] * (double)p[j * channels + c];
				*to++ = (float)sum;
			}
		}
	axis_free(&a);
}

static void rows_f32(const float *from, int h0, size_t width, float *to, int h1, enum filter filter)
{
	struct axis a = axis_of(h0, h1, filter);
	double *sum = mem_new(width, sizeof *sum);

	for (int y = 0; y < h1; y++, to += width) {
		const double *w = a.weight + (size_t)y * (size_t)a.taps;
		for (size_t x = 0; x < width; x++) sum[x] = 0;
		for (int j = 0; j < a.count[y]; j++) {
			const float *row = from + (size_t)(a.first[y] + j) * width;
			for (size_t x = 0; x < width; x++) sum[x] += w[j] * (double)row[x];
		}
		for (size_t x = 0; x < width; x++) to[x] = (float)sum[x];
	}
	free(sum);
	axis_free(&a);
}

void resize_f32(const float *from, int h0, int w0, float *to, int h1, int w1, int channels,
	enum filter filter)
{
	size_t width = (size_t)w1 * (size_t)channels;
	float *between = mem_new((size_t)h0 * width, sizeof *between);

	columns_f32(from, h0, w0, between, w1, channels, filter);
	rows_f32(between, h0, width, to, h1, filter);
	free(between);
}

/* excess / 2 with a half going to the even neighbour: 1 -> 0, 3 -> 2, 5 -> 2, 7 -> 4. */
int crop_offset(int excess)
{
	int half = excess / 2;
	return excess % 2 && half % 2 ? half + 1 : half;
}

void crop_square(int height, int width, int *top, int *left, int *side)
{
	*side = height < width ? height : width;
	*top = crop_offset(height - *side);
	*left = crop_offset(width - *side);
}
