/* Runs a fuzz target over the files of the folders and files named on the command line: the corpora
 * in the ordinary test run. Each input is also given with its last byte cut off and with one byte
 * changed, so that even a small corpus walks the refusals. */
#include <dirent.h>
#include <stdint.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 20 };

static void run_variants(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1); /* of its own, so that a sanitizer sees reads past its end */
    if (copy == NULL)
        abort();
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    if (size > 0) {
        LLVMFuzzerTestOneInput(copy, size - 1);
        copy[size / 2] ^= 0x20;
        LLVMFuzzerTestOneInput(copy, size);
    }
    free(copy);
}

static int run_file(const char *path)
{
    static uint8_t input[INPUT_MAX];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return -1;
    }
    size_t size = fread(input, 1, sizeof input, file);
    fclose(file);
    run_variants(input, size);
    return 1;
}

/* How many files were run, or -1. */
static int run_folder(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        perror(path);
        return -1;
    }
    int count = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char file[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        if (run_file(file) < 0) {
            closedir(folder);
            return -1;
        }
        count++;
    }
    closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++) {
        struct stat st;
        int ran = stat(argv[i], &st) == 0 && S_ISREG(st.st_mode) ? run_file(argv[i])
                                                                 : run_folder(argv[i]);
        if (ran < 0)
            return 1;
        count += ran;
    }
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
