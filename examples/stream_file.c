/* Seals a file of any size, or opens one, in constant memory.
 *
 *     examples/stream_file seal acme eu backup.tar backup.tar.kw
 *     examples/stream_file open acme eu backup.tar.kw backup.tar
 *
 * What is opened is whole only once kw_stream_open has succeeded: until then it has another name.
 */
#include <keyward.h>

#include <stdio.h>
#include <stdlib.h>

struct files {
    FILE *in;
    FILE *out;
};

static kw_code complain(struct kw_error *err, const char *text)
{
    err->code = KW_IO;
    snprintf(err->text, sizeof err->text, "%s", text);
    return KW_IO;
}

static kw_code read_file(void *arg, void *buffer, size_t size, size_t *len, struct kw_error *err)
{
    struct files *files = arg;
    *len = fread(buffer, 1, size, files->in);
    return ferror(files->in) ? complain(err, "the input cannot be read") : KW_OK;
}

static kw_code write_file(void *arg, const void *data, size_t len, struct kw_error *err)
{
    struct files *files = arg;
    return fwrite(data, 1, len, files->out) == len ? KW_OK
                                                   : complain(err, "the output cannot be written");
}

static kw_code transfer(const char *what, const struct kw_call_options *options,
                        struct files *files, struct kw_error *err)
{
    const struct kw_stream_io io = {read_file, write_file, files};
    struct kw_client_options where = KW_CLIENT_OPTIONS_INIT;
    struct kw_client *client = NULL;
    where.data_dir = getenv("KEYWARD_DATA");
    kw_code code = kw_client_open(&where, &client, err);
    if (code != KW_OK)
        return code;
    if (strcmp(what, "seal") == 0)
        code = kw_stream_seal(client, options, &io, err);
    else
        code = kw_stream_open(client, options, &io, err);
    kw_code closed = kw_client_close(client, code == KW_OK ? err : NULL);
    return code != KW_OK ? code : closed;
}

static int run(const char *what, const struct kw_call_options *options, const char *from,
               const char *to)
{
    char part[4096];
    struct kw_error err;
    snprintf(part, sizeof part, "%s.part", to);
    struct files files = {.in = fopen(from, "rb"), .out = fopen(part, "wb")};
    kw_code code = files.in != NULL && files.out != NULL
                       ? transfer(what, options, &files, &err)
                       : complain(&err, "a file cannot be opened");
    if (files.in != NULL)
        fclose(files.in);
    if (files.out != NULL && fclose(files.out) != 0 && code == KW_OK)
        code = complain(&err, "the output cannot be written");
    if (code == KW_OK && rename(part, to) != 0)
        code = complain(&err, "the output cannot be renamed");
    if (code == KW_OK)
        return 0;
    remove(part);
    fprintf(stderr, "%s: %s (%s)\n", what, err.text, kw_code_name(err.code));
    return kw_code_exit_status(err.code);
}

int main(int argc, char **argv)
{
    struct kw_call_options options = KW_CALL_OPTIONS_INIT;
    if (argc != 6 || (strcmp(argv[1], "seal") != 0 && strcmp(argv[1], "open") != 0)) {
        fprintf(stderr, "usage: %s seal|open TENANT REGION FROM TO\n", argv[0]);
        return 2;
    }
    options.tenant = argv[2];
    options.region = argv[3];
    return run(argv[1], &options, argv[4], argv[5]);
}
