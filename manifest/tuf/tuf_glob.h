/* Path patterns of delegations (TUF 1.0.34 §4.5, "paths"). */
#ifndef DCD_MANIFEST_TUF_TUF_GLOB_H
#define DCD_MANIFEST_TUF_TUF_GLOB_H

#include <stdbool.h>

/*
 * Whole path against whole pattern, component by component: '*' is any text and '?' any one character without '/', "[a-z]" and
 * "[!a-z]" are one character of, or not of, a set; a '[' without its ']' is itself. No escapes; case counts; a leading '.' is
 * like any character. Time is bounded by the product of both lengths, whatever the pattern.
 */
bool tuf_glob_match(const char *pattern, const char *path);

/*
 * True when the pattern could match some path that begins with `folder` (empty, or with '/' at its end). May be true for more
 * than that, never false where one exists.
 */
bool tuf_glob_may_hold(const char *pattern, const char *folder);

#endif
