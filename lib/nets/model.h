/* model: a generator and a discriminator, of either backbone of the paper. */
#ifndef IC_MODEL_H
#define IC_MODEL_H

#include "lib/nets/biggan.h"
#include "lib/nets/stylegan2.h"

enum backbone { BIGGAN, STYLEGAN2 };

struct model {
	enum backbone backbone;
	union {
		struct {                     /* what both begin with */
			int resolution, n_classes, features;
			bool class_cond, instance_cond;
		};
		struct biggan biggan;
		struct stylegan2 stylegan2;
	};
};

const char *model_name(const struct model *);        /* of the backbone */
const char *model_conditions(const struct model *);  /* "classes", for example */
/* False of a BigGAN that is conditioned on nothing: it has one class. */
bool model_by_class(const struct model *);
int model_check(const struct model *);       /* can G be built?  0, or -1 after fail() */
int model_check_d(const struct model *);     /* both? */
int model_dim_z(const struct model *);       /* numbers of noise that a picture takes */
void model_g_params(const struct model *, struct params *);
void model_d_params(const struct model *, struct params *);

#endif
