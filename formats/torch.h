/* torch: the tensors of PyTorch's four kinds of files, from their inert pickles; nothing is
 * imported, called or evaluated. */
#ifndef IC_TORCH_H
#define IC_TORCH_H

#include "formats/pickle.h"
#include "formats/safetensors.h"
#include "formats/zip.h"

/* Each adds the tensors of a file of n bytes to t, whose path is set: 0 or -1; data are borrowed
 * from those bytes or owned by t. */
/* since 2020; script: a TorchScript archive is read too, instead of refused */
int torch_zip(struct tensors *t, const struct zip *, bool script);
int torch_legacy(struct tensors *t, const void *bytes, size_t n);   /* 2017 to 2020: pickles */
int torch_tar(struct tensors *t, const void *bytes, size_t n);      /* before: four members */
int torch_modules(struct tensors *t, const void *bytes, size_t n);  /* any time: pickled modules */
bool torch_is_legacy(const void *bytes, size_t n);      /* of what begins with 80, a pickle */

/* What the four have in common. */
struct torch_type { enum dtype type; size_t size; };       /* type 0: complex numbers */

struct torch_view {
	struct torch_type type;
	const void *storage;
	int64_t count;                       /* elements of the storage */
	bool placed;                         /* false: a whole storage, without the fields below */
	int64_t at, rank, shape[8], stride[8];   /* in elements */
};

struct torch_reader {
	struct tensors *to;
	void *ctx;
	/* The storage or tensor of a persistent id: 0, or -1 after fail() */
	int (*resolve)(struct torch_reader *, const struct pickle_item *id, struct torch_view *);
	/* The storage that torch.storage._load_from_bytes would make of these arguments; NULL:
	 * the file has none */
	int (*load)(struct torch_reader *, const struct pickle_item *args, struct torch_view *);
	size_t file_bytes, copied;           /* bytes of views that had to be copied */
};

/* Chooses the state dict under root, and adds its tensors under their names in the network. */
int torch_state(struct torch_reader *, const struct pickle_item *root);
/* Adds those of the tree of modules under root, "a.b.weight" for weight of b of a of root. */
int torch_script(struct torch_reader *, const struct pickle_item *root);
/* The storage that is all of a legacy file, not placed. */
int torch_legacy_storage(const char *path, const void *bytes, size_t n, struct torch_view *);

enum { TORCH_NAME_MAX = 512 };               /* bytes of a tensor's name */

/* A walk over dictionaries in dictionaries.  Modules may be shared, or contain themselves: it goes
 * 32 deep and over 65536 items. */
struct torch_pairs { struct pickle_item *const *at; uint32_t n; };   /* key, value, key ... */
struct torch_walk {
	const char *path;                    /* for messages; borrowed */
	struct { struct torch_pairs left; size_t prefix; } in[32];
	int depth, steps;
	char prefix[TORCH_NAME_MAX + 2];     /* "a.b." of what was entered, the last innermost */
};
int torch_prefix(struct torch_walk *, const struct pickle_item *key);   /* adds "key." */
int torch_enter(struct torch_walk *, struct torch_pairs);     /* under the prefix as it is */
/* The next pair of the innermost, its prefix restored: 1, 0 at the end of all, -1 after fail() */
int torch_next(struct torch_walk *, const struct pickle_item **key,
	const struct pickle_item **value);

/* A text of UTF-8 without U+0000 that is no longer than a name */
bool torch_is_text(const struct pickle_item *);
/* The prefix and a key of a dictionary as a name, owned; NULL after fail(). */
char *torch_name(const char *path, const char *prefix, const struct pickle_item *key);
/* Adds the tensor that value is, under prefix and key; what may stand beside tensors is passed
 * over. */
int torch_add(struct torch_reader *, const char *prefix, const struct pickle_item *key,
	const struct pickle_item *value);
/* After the last of a file: strips what training puts before names, and checks them. */
int torch_names(struct torch_reader *);
/* "torch FloatStorage" or, with that suffix, "torch.cuda HalfTensor"; -1 after fail() */
int torch_type_of(const char *path, const struct pickle_item *, const char *suffix,
	struct torch_type *);
/* Element i of a tuple as a count, 0 or more; -1 after fail() */
int64_t torch_count(const char *path, const struct pickle_item *, uint32_t i);
/* A tuple of at least n items, or fail(). */
int torch_tuple(const char *path, const struct pickle_item *, uint32_t n, const char *what);

#endif
