/* traffic: what a training step of IC-GAN's BigGAN backbone moves and holds on a device, from its
 * plans alone (no GPU is needed): MiB of activations and of scratch, GB that its programs read and
 * write, those of the optimiser apart; for products in f32, in bf16 with values of f32, and with
 * activations of bf16. */
#include "lib/base/fail.h"
#include "lib/base/say.h"
#include "lib/gan/phase.h"
#include "tests/library.h"

#include <stdio.h>

static struct model network(int resolution, int ch)
{
	struct model c = { .biggan = biggan_default() };

	c.resolution = resolution;
	c.biggan.g_ch = c.biggan.d_ch = ch;
	c.instance_cond = true;
	c.class_cond = false;
	return c;
}

static void print(int resolution, int ch, int batch, const char *products, bool bf16)
{
	struct model c = network(resolution, ch);
	struct recipe r = { .batch = batch, .accumulate = 1, .d_steps = 1 };
	struct backend *b = backend_new(products, 1);
	struct phases p;
	struct gan s;

	if (!b) {
		fprintf(stderr, "traffic: %s\n", backend_why());
		exit(1);
	}
	b->bf16 = bf16;
	if (gan_shape(&s, &c) || phase_plan(&p, &s, &r, b)) die();
	struct phase_bytes n = phase_bytes(&p);
	printf("%d\t%d\t%d\t%s\t%s\t%.0f\t%.0f\t%.1f\n", resolution, ch, batch, products + 5,
	       bf16 ? "bf16" : "f32", (double)n.activations / 1048576,
	       (double)n.workspace / 1048576,
	       1e-9 * (tape_traffic(p.d.t) + tape_traffic(p.g.t)));
	fflush(stdout);
	phase_close(&p);
	gan_free(&s);
	backend_free(b);
}

int main(void)
{
	static const int job[][3] = { { 64, 64, 256 }, { 128, 96, 64 } };

	use_library();
	printf("#side\tch\tbatch\tproducts\tactivations\tactivations_MiB\tscratch_MiB\tGB\n");
	for (size_t i = 0; i < LEN(job); i++) {
		const int *j = job[i];
		print(j[0], j[1], j[2], "cuda-f32", false);
		print(j[0], j[1], j[2], "cuda-bf16", false);
		print(j[0], j[1], j[2], "cuda-bf16", true);
	}
	return 0;
}
