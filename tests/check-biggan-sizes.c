/* check-biggan-sizes: the networks of all 21 published configurations have the published numbers of
 * trained values; those of two have the published names, shapes and order. */
#include "tests/tap.h"
#include "lib/base/fail.h"
#include "lib/nets/biggan.h"

#include <string.h>

/* COCO-Stuff, ImageNet-LT, ImageNet.  Unlabelled IC-GAN keeps the table of a thousand classes that
 * it does not train. */
static const struct config {
	const char *name;
	int resolution, ch;
	bool class_cond, instance_cond;
	int64_t g, d;
} configs[] = {
	{ "COCO_Stuff/unconditional_biggan_res128", 128, 48, true, false, 18383460, 22383698 },
	{ "COCO_Stuff/unconditional_biggan_res256", 256, 48, true, false, 21384516, 25195154 },
	{ "COCO_Stuff/icgan_res128_ddp", 128, 48, false, true, 22271076, 23189330 },
	{ "COCO_Stuff/icgan_res256_ddp", 256, 48, false, true, 25861956, 26000786 },
	{ "ImageNet-LT/biggan_res128", 128, 64, true, false, 31978628, 39448258 },
	{ "ImageNet-LT/biggan_res256", 256, 64, true, false, 37240580, 44445890 },
	{ "ImageNet-LT/biggan_res64", 64, 64, true, false, 31969540, 20571842 },
	{ "ImageNet-LT/cc_icgan_res128", 128, 64, true, true, 38073988, 39985346 },
	{ "ImageNet-LT/cc_icgan_res256", 256, 64, true, true, 44384516, 44982978 },
	{ "ImageNet-LT/cc_icgan_res64", 64, 64, true, true, 37868292, 21108930 },
	{ "ImageNet/biggan_res128", 128, 96, true, false, 70433988, 87982370 },
	{ "ImageNet/biggan_res256_half_cap", 256, 64, true, false, 37240580, 44445890 },
	{ "ImageNet/biggan_res64", 64, 64, true, false, 31969540, 20571842 },
	{ "ImageNet/icgan_res128", 128, 96, false, true, 77160132, 89593634 },
	{ "ImageNet/icgan_res256", 256, 96, false, true, 90014340, 100837154 },
	{ "ImageNet/icgan_res256_halfcap", 256, 64, false, true, 42860804, 45520066 },
	{ "ImageNet/icgan_res64", 64, 64, false, true, 36655876, 21646018 },
	{ "ImageNet/cc_icgan_res128", 128, 96, true, true, 79052484, 88788002 },
	{ "ImageNet/cc_icgan_res256", 256, 96, true, true, 92299908, 100031522 },
	{ "ImageNet/cc_icgan_res256_halfcap", 256, 64, true, true, 44384516, 44982978 },
	{ "ImageNet/cc_icgan_res64", 64, 64, true, true, 37868292, 21108930 },
};

static int64_t trained(struct params *ps)
{
	int64_t n = 0;

	for (int i = 0; i < ps->n; i++)
		if (ps->p[i].trained) n += (int64_t)shape_count(ps->p[i].s);
	param_free(ps);
	return n;
}

/* name, "d,d,..." and whether it is trained, as the table has them. */
static bool same_line(const struct param *p, const char *want)
{
	char line[256];
	int n = snprintf(line, sizeof line, "%s\t", p->name);

	for (int k = 0; k < p->rank; k++)
		n += snprintf(line + n, sizeof line - (size_t)n, "%s%d", k ? "," : "",
			      (int)p->shape[k]);
	snprintf(line + n, sizeof line - (size_t)n, "\t%s", p->trained ? "yes" : "no");
	return !strcmp(line, want);
}

/* The lines of one network in the table, tensor by tensor. */
static void check_names(const char *network, struct params *ps)
{
	FILE *f = fopen("tests/golden/names.tsv", "r");
	char line[256];
	size_t length = strlen(network);
	int i = 0;
	bool good = f;

	while (good && fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = 0;
		if (strncmp(line, network, length) || line[length] != '\t') continue;
		good = i < ps->n && same_line(&ps->p[i++], line + length + 1);
	}
	ok(good && i == ps->n && i > 80, "%s: names, shapes and order of %d tensors%s%s", network,
	   ps->n, good ? "" : ", not ", good ? "" : line);
	if (f) fclose(f);
	param_free(ps);
}

static void check_tables(void)
{
	struct biggan c = biggan_default(), cc = c;
	struct params ps;

	cc.resolution = 128;
	cc.g_ch = cc.d_ch = 96;
	cc.class_cond = true;
	biggan_g_params(&c, &ps);
	check_names("icgan64.G", &ps);
	biggan_d_params(&c, &ps);
	check_names("icgan64.D", &ps);
	biggan_g_params(&cc, &ps);
	check_names("cc_icgan128.G", &ps);
	biggan_d_params(&cc, &ps);
	check_names("cc_icgan128.D", &ps);
}

static void check_512(void)
{
	struct biggan c = biggan_default();
	struct params ps;

	c.resolution = 512;
	ok(!biggan_check(&c), "a generator of 512 pixels");
	biggan_g_params(&c, &ps);
	ok(param_find(&ps, "blocks.6.0.conv1.weight") >= 0 &&
		   param_find(&ps, "blocks.3.1.gamma") >= 0 && biggan_dim_z(&c) == 120,
	   "has seven blocks, attention after the fourth and 120 numbers of noise");
	param_free(&ps);
	ok(biggan_check_d(&c), "and no discriminator: %s", why());
}

int main(void)
{
	for (size_t i = 0; i < LEN(configs); i++) {
		const struct config *k = &configs[i];
		struct biggan c = biggan_default();
		struct params g, d;

		c.resolution = k->resolution;
		c.g_ch = c.d_ch = k->ch;
		c.class_cond = k->class_cond;
		c.instance_cond = k->instance_cond;
		biggan_g_params(&c, &g);
		biggan_d_params(&c, &d);
		int64_t n = trained(&g), m = trained(&d);
		ok(n == k->g && m == k->d, "%s: %lld and %lld trained values", k->name,
		   (long long)n, (long long)m);
	}
	check_512();
	check_tables();
	return done_testing();
}
