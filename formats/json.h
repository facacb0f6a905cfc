/* json: a strict scanner over JSON text in memory, driven by the caller's grammar: no tree, no
 * recursion. */
#ifndef IC_JSON_H
#define IC_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json { const char *p, *end; };

/* Each skips white space before what it looks for, and leaves p there when it is not found. */
bool json_take(struct json *, char c);
/* Unescaped, NUL-terminated, free it; NULL: not a string, not UTF-8, or U+0000 */
char *json_string(struct json *);
/* An integer 0..2^63-1, written without sign, fraction or leading zero */
bool json_count(struct json *, int64_t *);
bool json_end(struct json *);                /* nothing but white space is left */

/* Length of the UTF-8 character at p (no overlong forms, no surrogates), or 0. */
int json_utf8(const unsigned char *p, const unsigned char *end);

int json_put(FILE *, const char *text);      /* as a string; -1 after fail() when it is not UTF-8 */

#endif
