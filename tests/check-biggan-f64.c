/* BigGAN in double on the ref kernels against float64 goldens of the reference implementation:
 * forward, gradients, training steps. */
#include "tests/biggan-golden.h"

int main(void)
{
	static const struct limits limits = { 1e-8, 1e-8, { 1e-8, 1e-8, 1e-8 },
					      1e-8, { 1e-8, 1e-8 }, { 1e-8, 1e-8 }, true };
	static const char *const name[] = { "icgan32",  "icgan64",  "cc_icgan64",
					    "biggan32", "uncond32", "icgan128" };

	for (size_t i = 0; i < LEN(name); i++) check_case(name[i], "ref", &limits);
	return done_testing();
}
