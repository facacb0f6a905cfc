/* named: networks in files by their published names (BigGAN_PyTorch/BigGAN.py, training/networks.py
 * of stylegan2_ada_pytorch): the architecture read off the shapes, every tensor accounted for. */
#ifndef IC_NAMED_H
#define IC_NAMED_H

#include "formats/safetensors.h"
#include "lib/nets/model.h"

/* A network's tensors in a file: "PREFIX" + name of a parameter.  buffers: with u0, sv0 and
 * stored_*, which moments have not. */
struct named { const char *prefix; const struct params *ps; bool buffers; };

bool named_has_generator(const struct tensors *, const char *prefix);
bool named_has_discriminator(const struct tensors *, const char *prefix);

/* All return 0, or -1 after fail(), which names the file and the tensor. */

/* The backbone and the generator's part of an architecture. */
int named_generator(const struct tensors *, const char *prefix, struct model *);
/* A discriminator beside that generator. */
int named_discriminator(const struct tensors *, const char *prefix, struct model *);
/* Every parameter is there with its shape: to be asked before anything of that size is
 * allocated. */
int named_check(const struct tensors *, const struct named *);
/* Every tensor belongs to one of the n networks, or begins with none of their prefixes. */
int named_strangers(const struct tensors *, const struct named *, int n);
/* The values, in our order, into the flat buffer `data`. */
int named_take(const struct tensors *, const struct named *, real *data);

#endif
