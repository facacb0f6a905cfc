/* BigGAN in float on the cpu kernels against the float64 goldens, within ten times what float32 costs PyTorch: eval image 8e-7, train
 * image 8e-6, scores 5e-6 growing to 2e-4, averaged image 5e-5, gradients 4.4e-4 of a tensor's norm at
 * step 1 (6e-6 where no relu or max-pool falls the other way, but one in a million does, in PyTorch's goldens too). */
#include "tests/biggan-golden.h"

int main(void)
{
	static const struct limits limits = { 8e-6, 8e-5, { 5e-5, 2e-4, 2e-3 }, 5e-4, { 4.4e-3, 4.4e-3 }, { 5e-5, 2e-3 }, false };

	for (size_t i = 0; i < LEN(golden_cases); i++) check_case(golden_cases[i], "cpu", &limits);
	return done_testing();
}
