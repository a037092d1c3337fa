/* Zipf's law: of count things the i-th is used in proportion to 1 / i. Deterministic. */
#ifndef KW_TESTS_ZIPF_H
#define KW_TESTS_ZIPF_H

#include <stdint.h>
#include <stdlib.h>

struct zipf {
    size_t count;
    double *up_to; /* cumulated, the last is 1 */
    uint64_t state;
};

/* False: no memory. */
static inline int zipf_init(struct zipf *zipf, size_t count, uint64_t seed)
{
    double sum = 0;
    *zipf = (struct zipf){.count = count, .up_to = calloc(count, sizeof(double)), .state = seed};
    if (zipf->up_to == NULL)
        return 0;
    for (size_t i = 0; i < count; i++)
        zipf->up_to[i] = sum += 1 / (double)(i + 1);
    for (size_t i = 0; i < count; i++)
        zipf->up_to[i] /= sum;
    return 1;
}

static inline void zipf_wipe(struct zipf *zipf)
{
    free(zipf->up_to);
}

/* 0 to count - 1 (xorshift64, then by bisection). */
static inline size_t zipf_next(struct zipf *zipf)
{
    uint64_t x = zipf->state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    zipf->state = x;
    double wanted = (double)(x >> 11) / 9007199254740992.0;
    size_t low = 0, high = zipf->count - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zipf->up_to[middle] > wanted)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

#endif
