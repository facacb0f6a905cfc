/* StyleGAN2 in double on the ref kernels against float64 goldens of the reference implementation:
 * mappings, images, scores and their gradients. */
#include "tests/stylegan2-golden.h"

int main(void)
{
	static const struct limits limits = { 1e-10, 1e-10, 1e-10 };
	static const char *const name[] = { "tiny_h", "tiny_ch", "tiny_h4", "tiny_u" };

	for (size_t i = 0; i < LEN(name); i++) {
		struct golden g;
		golden_open(&g, name[i], "ref");
		check_shapes(&g, &g.gp, 'G');
		check_shapes(&g, &g.dp, 'D');
		if (has(&g, "g6", "z")) check_map(&g, &limits);
		if (has(&g, "g7", "ws")) check_synthesis(&g, &limits);
		check_d(&g, &limits);
		golden_close(&g);
	}
	return done_testing();
}
