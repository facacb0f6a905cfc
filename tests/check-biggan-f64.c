/* BigGAN in double on the ref kernels against float64 goldens of the reference implementation: forward, gradients, three steps. */
#include "tests/biggan-golden.h"

int main(void)
{
	static const struct limits limits = { 1e-8, 1e-8, { 1e-8, 1e-8, 1e-8 }, 1e-8, { 1e-8, 1e-8 }, { 1e-8, 1e-8 }, true };

	for (size_t i = 0; i < LEN(golden_cases); i++) check_case(golden_cases[i], "ref", &limits);
	return done_testing();
}
