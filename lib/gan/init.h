/* init: a training run's first state from the weights of another: a checkpoint, or networks. */
#ifndef IC_INIT_H
#define IC_INIT_H

#include "lib/gan/data.h"
#include "lib/gan/state.h"

/* Weights and buffers of other runs, the moments zero and no step done.  list, with commas between:
 * one checkpoint; or files of ic-weights(5) with a generator, a discriminator and, after the first
 * generator, its average (else a copy); "new" in place of the discriminator's is a fresh one.  The
 * architecture is theirs.  0, or -1 after fail(). */
int gan_init(struct gan *, const char *list, uint64_t seed);

/* Can these networks be trained on the data where options ask for others?  by_ch, by_layers:
 * whether they say how wide, and how many layers StyleGAN2's mapping has.  0, or -1 after
 * fail(). */
int init_check(const struct model *, const struct model *want, const struct data *, bool by_ch,
	bool by_layers);

#endif
