/* npy_dict: the dictionary of arrays that np.save has pickled, as IC-GAN publishes its instances
 * (stored_instances: instance_features, labels, image_path) and its k-means
 * (store_kmeans_indexes.py: center_examples); nothing is imported, called or evaluated. */
#ifndef IC_NPY_DICT_H
#define IC_NPY_DICT_H

#include "formats/npy.h"

/* Adds each array, and each list of whole numbers, under its key to t; what is neither stands in
 * the metadata as "left out".  The array is one of objects; t->path is set.  0, or -1 after fail(),
 * also where both instance_features and center_examples are missing. */
int npy_dict(struct tensors *t, const struct npy_array *);

#endif
