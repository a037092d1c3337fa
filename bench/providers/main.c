/* bench_providers cache|warm|cold FOLDER [USES [DELAY_US]]
 *
 * What a root key that is far away costs an authority, and what the keyring saves of it. FOLDER is
 * on the disk that the ledger is to be measured with; what is made in it is left behind. Prints a
 * line of JSON a run; bench/suites/providers.py makes ratios of them. */
#include "bench.h"

enum { USES = 1000000, DELAY_US = 5000 };

void folder_make(struct parts *parts, const struct settings *settings)
{
    snprintf(parts->dir, sizeof parts->dir, "%s/providers-XXXXXX", settings->folder);
    if (mkdtemp(parts->dir) == NULL) {
        perror(settings->folder);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(const struct settings *settings);
    } measurements[] = {{"cache", measure_cache}, {"warm", measure_warm}, {"cold", measure_cold}};
    if (argc < 3 || argc > 5) {
        fprintf(stderr, "usage: %s cache|warm|cold FOLDER [USES [DELAY_US]]\n", argv[0]);
        return 2;
    }
    struct settings settings = {.folder = argv[2],
                                .uses = argc > 3 ? strtoull(argv[3], NULL, 10) : USES,
                                .delay_us = argc > 4 ? strtoll(argv[4], NULL, 10) : DELAY_US};
    kw_secret_allow_unlocked();
    for (size_t i = 0; i < KW_COUNT(measurements); i++)
        if (strcmp(argv[1], measurements[i].name) == 0) {
            measurements[i].run(&settings);
            return 0;
        }
    fprintf(stderr, "%s: no such measurement: %s\n", argv[0], argv[1]);
    return 2;
}
