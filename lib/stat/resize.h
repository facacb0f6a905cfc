/* resize: resampling that matches the reference pixels (spec extractors 0.3, 0.4). */
#ifndef IC_RESIZE_H
#define IC_RESIZE_H

#include <stdint.h>

/* Pillow's filters, stretched when shrinking (cubic: a = -1/2); then the interpolations that are
 * not: PyTorch's (cubic: a = -3/4), with the pixels of the corners laid on each other or
 * (half-pixel centres) not, or with steps as if the output were 0.1 larger, which DINOv2 asks for;
 * and the bilinear of TensorFlow 1. */
enum filter {
	FILTER_BOX, FILTER_TRIANGLE, FILTER_CUBIC, FILTER_LANCZOS,
	TORCH_CUBIC, TORCH_CUBIC_ALIGNED, TORCH_CUBIC_TENTH, TORCH_LINEAR, TORCH_LINEAR_ALIGNED,
	TF_LINEAR,
};

/* Pillow's 8-bit resize of interleaved images of 1 to 4 channels, bit-exact with versions before
 * 13, which begins with the rows of pictures that lose more height than width; to is
 * [h1][w1][channels]. */
void resize_u8(const uint8_t *from, int h0, int w0, uint8_t *to, int h1, int w1, int channels,
	enum filter);

/* The same of floats, with any filter: weights and sums in double, a float after each pass;
 * overshoot is kept. */
void resize_f32(const float *from, int h0, int w0, float *to, int h1, int w1, int channels,
	enum filter);

/* The centred square of the short side: offsets rounded half to even, as Python does. */
void crop_square(int height, int width, int *top, int *left, int *side);
int crop_offset(int excess);                 /* before, of the pixels to be cut off a side */

#endif
