/* model: what depends on the backbone alone. */
#include "lib/nets/model.h"

const char *model_name(const struct model *m)
{
	return m->backbone == BIGGAN ? "BigGAN" : "StyleGAN2";
}

const char *model_conditions(const struct model *m)
{
	static const char *const words[] = { "nothing", "classes", "instances",
					     "instances and classes" };
	return words[2 * m->instance_cond + model_by_class(m)];
}

bool model_by_class(const struct model *m)
{
	bool one = m->backbone == BIGGAN && !m->instance_cond && m->n_classes < 2;

	return m->class_cond && !one;
}

int model_check(const struct model *m)
{
	return m->backbone == BIGGAN ? biggan_check(&m->biggan) : stylegan2_check(&m->stylegan2);
}

int model_check_d(const struct model *m)
{
	return m->backbone == BIGGAN ? biggan_check_d(&m->biggan) : stylegan2_check(&m->stylegan2);
}

int model_dim_z(const struct model *m)
{
	return m->backbone == BIGGAN ? biggan_dim_z(&m->biggan) : m->stylegan2.dim_z;
}

void model_g_params(const struct model *m, struct params *ps)
{
	if (m->backbone == BIGGAN) biggan_g_params(&m->biggan, ps);
	else stylegan2_g_params(&m->stylegan2, ps);
}

void model_d_params(const struct model *m, struct params *ps)
{
	if (m->backbone == BIGGAN) biggan_d_params(&m->biggan, ps);
	else stylegan2_d_params(&m->stylegan2, ps);
}
