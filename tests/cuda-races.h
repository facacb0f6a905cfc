/* cuda-races: what ThreadSanitizer is told of the emulated device where IC_RACES is defined: each
 * thread of a block is one of its fibers, and only barriers and the ends of grids order what
 * fibers do. */
#ifndef IC_CUDA_RACES_H
#define IC_CUDA_RACES_H

#include <stddef.h>

#ifdef IC_RACES

#include <sanitizer/tsan_interface.h>

void __tsan_read_range(void *, unsigned long);
void __tsan_write_range(void *, unsigned long);
void __tsan_java_init(unsigned long heap, unsigned long size);
void __tsan_java_alloc(unsigned long p, unsigned long size);
void __tsan_java_free(unsigned long p, unsigned long size);

enum { SETS = 2 };                           /* of fibers: blocks in a row have other ones */

static inline void *race_here(void) { return __tsan_get_current_fiber(); }
static inline void *race_fiber(void) { return __tsan_create_fiber(0); }
static inline void race_to(void *fiber) { __tsan_switch_to_fiber(fiber, 1); }
static inline void race_tell(void *key) { __tsan_release(key); }
static inline void race_hear(void *key) { __tsan_acquire(key); }
static inline void race_read(const void *p, size_t n) { __tsan_read_range((void *)p, n); }
static inline void race_write(void *p, size_t n) { __tsan_write_range(p, n); }

/* What fibers did there is forgotten; p is the same each time. */
static inline void race_new(void *p, size_t n)
{
	static int known;

	if (known) __tsan_java_free((unsigned long)p, n);
	else __tsan_java_init((unsigned long)p, n);
	known = 1;
	__tsan_java_alloc((unsigned long)p, n);
}

#else

enum { SETS = 1 };

static inline void *race_here(void) { return NULL; }
static inline void *race_fiber(void) { return NULL; }
static inline void race_to(void *fiber) { (void)fiber; }
static inline void race_tell(void *key) { (void)key; }
static inline void race_hear(void *key) { (void)key; }
static inline void race_read(const void *p, size_t n) { (void)p, (void)n; }
static inline void race_write(void *p, size_t n) { (void)p, (void)n; }
static inline void race_new(void *p, size_t n) { (void)p, (void)n; }

#endif
#endif
