/* fail: how lib, formats and kernels report the world's faults; they never print and never exit. */
#ifndef IC_FAIL_H
#define IC_FAIL_H

#include <stddef.h>

/* Records one line for this thread (a colon at the end of fmt appends strerror(errno)); returns -1.
 * A message names the file, what was found and what was expected; lower case, no full stop. */
int fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *why(void);                       /* the last line recorded by this thread; never NULL */

/* Our own faults: aborts with file:line. */
#define must(cond) ((cond) ? (void)0 : must_failed(#cond, __FILE__, __LINE__))
_Noreturn void must_failed(const char *cond, const char *file, int line);

/* Small memory that there is none of: ends the program with status 1 and one line. */
_Noreturn void no_memory(size_t bytes);

#define LEN(a) (sizeof(a) / sizeof *(a))

#endif
