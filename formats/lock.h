/* lock: files that one process at a time writes.  A lock dies with its process: nothing that a
 * killed one leaves behind is in the way of the next. */
#ifndef IC_LOCK_H
#define IC_LOCK_H

/* Opens a file for reading and writing, made when absent, and holds it until the descriptor is
 * closed.  The descriptor, or -1 after fail(), also when another process holds it. */
int lock_open(const char *path);

/* For a process that writes many files of one name: holds NAME.lock, with the process's number. */
struct lock { int fd; char *path; };
int lock_take(struct lock *, const char *name);  /* 0, or -1 after fail() that names the holder */
void lock_drop(struct lock *);                   /* removes NAME.lock; accepts a zeroed struct */

#endif
