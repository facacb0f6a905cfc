/* resize: resampling that matches the reference pixels (spec extractors 0.3, 0.4). */
#ifndef IC_RESIZE_H
#define IC_RESIZE_H

#include <stdint.h>

enum filter { FILTER_BOX, FILTER_TRIANGLE, FILTER_CUBIC, FILTER_LANCZOS };   /* Pillow's; cubic a = -0.5 */

/* Pillow's 8-bit resize of interleaved images of 1 to 4 channels, bit-exact; to is [h1][w1][channels]. */
void resize_u8(const uint8_t *from, int h0, int w0, uint8_t *to, int h1, int w1, int channels, enum filter);

/* torch.nn.functional.interpolate(mode="bicubic", A=-0.75, no antialias, border replicated), float, interleaved.
 * align: align_corners. */
void resize_cubic(const float *from, int h0, int w0, float *to, int h1, int w1, int channels, int align);

/* The centred square of the short side: offsets rounded half to even, as Python does. */
void crop_square(int height, int width, int *top, int *left, int *side);

#endif
