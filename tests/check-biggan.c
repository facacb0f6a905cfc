/* BigGAN in float on the cpu kernels against the float64 goldens, within ten times what float32 costs PyTorch. */
#include "tests/biggan-golden.h"

int main(void)
{
	static const struct limits limits = { 8e-6, 8e-5, { 5e-5, 2e-4, 2e-3 }, 5e-4, 6e-5, 2e-3, false };

	for (size_t i = 0; i < LEN(golden_cases); i++) check_case(golden_cases[i], "cpu", &limits);
	return done_testing();
}
