/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes and strings: libc's in the tests, text.c's in the programs, which have no libc. */
#ifndef NEC_INIT_TEXT_H
#define NEC_INIT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if __STDC_HOSTED__
#include <string.h>
#else
void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
size_t strlen(const char *string);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t size);
char *strchr(const char *string, int character);
#endif

/*
 * Reads a decimal number of at most 32 bits that begins with a digit at *@text and moves *@text
 * behind it. Returns false, with *@text where it was, when there is none or it is larger.
 */
bool init_number(const char **text, uint32_t *ret);

#endif
