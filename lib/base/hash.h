/* hash: 64-bit content hash (XXH64, seed 0), streaming.  Store and stream ids are this hash. */
#ifndef IC_HASH_H
#define IC_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash { uint64_t v[4], total; unsigned char buf[32]; unsigned held; };

void hash_start(struct hash *);
void hash_add(struct hash *, const void *bytes, size_t n);
uint64_t hash_end(const struct hash *);      /* may be asked at any time; adding goes on */
uint64_t hash_of(const void *bytes, size_t n);

#endif
