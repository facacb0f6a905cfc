/* state: what persists between training steps, and its checkpoint (ic-ckpt(5)): one safetensors
 * file with published names, shapes and axis order under "G.", "D.", "G_ema.", the moments under
 * "adam.G.m." and so on, counters and lineage as metadata.  The architecture is read off the shapes
 * (spec biggan 1.8). */
#ifndef IC_STATE_H
#define IC_STATE_H

#include "formats/rows.h"
#include "lib/nets/model.h"

struct lineage { uint64_t images, features, neighbours; };   /* ids of the stores trained on */

/* The averaged generator with the lowest score so far (lib/gan/watch.h). */
struct best {
	double score;
	int64_t step;
	uint64_t real;                       /* id of the features measured to; 0: no score yet */
	int samples;
};

/* The last return to an earlier state after a collapse. */
struct setback {
	int count;                           /* returns so far */
	int64_t from, to;                    /* steps: where the run collapsed, where it went on */
	int how;                             /* enum collapse, lib/gan/sentinel.h */
};

struct gan {
	struct model c;
	struct params gp, dp;
	real *g, *d, *ema;                   /* weights and buffers of G, D and the averaged G */
	real *gm, *gv, *dm, *dv;             /* Adam's moments */
	real *path;                          /* StyleGAN2's mean path length, one number */
	real penalty[2];                     /* the last of R1 and path length, as weighted */
	int64_t step;                        /* steps done */
	bool due;                            /* the look at this step was stopped: to be taken */
	uint64_t seed;
	struct lineage from;
	uint64_t id;                         /* of the file it was read from; 0: it has none */
	struct best best;
	struct setback setback;
	/* "name = value" lines of the run that wrote it; NULL or owned */
	char *options;
	char *features_meta;                 /* of the features trained on; NULL or owned */
};

/* What the features trained on said of themselves, to be compared with instances: width and meta,
 * which is empty when it is not known. */
struct rows_info gan_features(const struct gan *);

/* What determines a run, in a number that names it: the stores it is trained on, seed, options. */
uint64_t gan_run(const struct gan *);

/* Parameters without values; -1 after fail(). */
int gan_shape(struct gan *, const struct model *);
int gan_alloc(struct gan *, const struct model *);                /* all zero; -1 after fail() */
/* initialised weights; -1 after fail() */
int gan_new(struct gan *, const struct model *, uint64_t seed);
void gan_free(struct gan *);                 /* accepts a zeroed struct */
/* Weights, moments, penalties and step of another state, in place: tapes stay valid.
 * -1 after fail() when its networks have other sizes. */
int gan_restore(struct gan *, const struct gan *from);

/* path.new, fsync, rename: replaces path */
int gan_save(const struct gan *, const char *path);
/* every tensor found with its shape, or fail() */
int gan_load(struct gan *, const char *path);
/* Only G_ema, for sampling: ema and gp are filled, g, d and the moments stay NULL.  Reads
 * checkpoints, exports of G_ema, and published files of it (ic-weights(5)). */
int gan_load_sampler(struct gan *, const char *path);

#endif
