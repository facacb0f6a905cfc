/* StyleGAN2 in double on the ref kernels against float64 goldens of the reference implementation:
 * mappings, images, scores, the losses and regularisers with their gradients, training steps. */
#include "tests/stylegan2-golden-train.h"

static void check_case(const char *name, const struct limits *l)
{
	struct golden g;

	golden_open(&g, name, "ref");
	golden_shapes(&g.t, g.name, &g.gp, 'G', true);
	golden_shapes(&g.t, g.name, &g.dp, 'D', true);
	if (has(&g, "g6", "z")) check_map(&g, l);
	if (has(&g, "g7", "ws")) check_synthesis(&g, l);
	check_d(&g, l);
	check_phases(&g, l, l);
	golden_close(&g);
}

int main(void)
{
	static const struct limits limits = { 1e-10, 1e-10, 1e-10 };
	static const double after[2] = { 1e-9, 1e-9 };
	static const char *const name[] = { "tiny_h", "tiny_ch", "tiny_h4", "tiny_u" };
	static const char *const trained[] = { "train_h", "train_ch" };

	for (size_t i = 0; i < LEN(name); i++) check_case(name[i], &limits);
	for (size_t i = 0; i < LEN(trained); i++) {
		struct golden g;
		golden_open(&g, trained[i], "ref");
		check_training(&g, 4, after);
		golden_close(&g);
	}
	return done_testing();
}
