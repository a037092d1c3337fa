/* Looks for bytes in this process's writable memory, to show that a key was left nowhere. */
#ifndef KW_TESTS_MEMORY_H
#define KW_TESTS_MEMORY_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Not under a sanitizer (KW_SANITIZED): its shadow is too large, and its quarantine is not ours. */
enum kw_memory { KW_MEMORY_ORDINARY, KW_MEMORY_SECRET };

struct kw_memory_region {
    uintptr_t from;
    uintptr_t to;
    bool writable;
    bool stack;
};

static inline size_t kw_memory_count_in(const struct kw_memory_region *region,
                                        const uint8_t *needle, const uint8_t *mask, size_t len)
{
    size_t count = 0;
    for (uintptr_t at = region->from; at + len <= region->to; at++) {
        const uint8_t *p = (const uint8_t *)at;
        size_t i = 0;
        while (i < len && p[i] == (uint8_t)(needle[i] ^ mask[i]))
            i++;
        count += i == len;
    }
    return count;
}

/* How often needle ^ mask (len bytes each; two parts, so that the search does not find itself)
 * stands in secret memory (MADV_WIPEONFORK marks it), or in all the rest but the stack. */
static inline size_t kw_memory_count(enum kw_memory kind, const uint8_t *needle,
                                     const uint8_t *mask, size_t len)
{
    static char line[512];
    struct kw_memory_region region = {0};
    size_t count = 0;
    FILE *maps = fopen("/proc/self/smaps", "r");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        uintptr_t from = 0;
        uintptr_t to = 0;
        char rights[5] = "";
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &from, &to, rights) == 3)
            region = (struct kw_memory_region){.from = from,
                                               .to = to,
                                               .writable = strncmp(rights, "rw", 2) == 0,
                                               .stack = strstr(line, "[stack") != NULL};
        if (strncmp(line, "VmFlags:", 8) != 0 || !region.writable || region.stack)
            continue;
        bool secret = strstr(line, " wf") != NULL;
        if (secret == (kind == KW_MEMORY_SECRET))
            count += kw_memory_count_in(&region, needle, mask, len);
    }
    if (maps != NULL)
        fclose(maps);
    return count;
}

#endif
