/* Included before every source file (cmake/flags.cmake): calls that may not be used at all.
 * Use kw_buf and snprintf for text, kw_parse_u64 for numbers, the _r forms for time. */
#ifndef KW_BASE_BANNED_H
#define KW_BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* glibc makes macros of these two for clang. */
#undef sprintf
#undef vsprintf

#pragma GCC poison strcpy strcat strncpy strncat stpcpy sprintf vsprintf gets strtok
#pragma GCC poison atoi atol atoll atof asctime ctime gmtime localtime mktemp tmpnam tempnam
#pragma GCC poison srand random drand48 system popen bcopy bzero bcmp

/* OpenSSL's headers have parameters of this name, so only the call is an error. */
#define rand() rand_is_banned_use_kw_random

#endif
