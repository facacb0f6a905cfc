/* weights: tensors by name from any file of ic-weights(5): safetensors, the four kinds of PyTorch
 * files, npy and npz; the kind is told by the first bytes. */
#ifndef IC_WEIGHTS_H
#define IC_WEIGHTS_H

#include "formats/safetensors.h"

/* As tensors_open; data may have any alignment.  What was chosen, stripped and left out of a
 * PyTorch file stands in the metadata, and so do the attributes of its modules. */
int weights_open(struct tensors *, const char *path);
/* The same, and of a TorchScript archive, which weights_open refuses, the tensors of its modules;
 * its code is never looked at. */
int weights_open_script(struct tensors *, const char *path);
bool weights_is(const void *bytes, size_t n);   /* do these first bytes (512 suffice) begin one? */

#endif
