/* Signs requests, a line each: METHOD PATH QUERY BODY TIME REGION SERVICE ID SECRET [NAME
 * VALUE]..., all but the first in hex, an empty one as -. Answers each with the value of the
 * Authorization header. */
#include "aws/sigv4.h"
#include "base/encode.h"

enum { LINE_SIZE = 1 << 16, WORDS_MAX = 9 + 2 * KW_SIGV4_HEADERS_MAX };

/* Decodes in place; terminated. */
static struct kw_bytes decoded(char *word)
{
    size_t len = strcmp(word, "-") == 0 ? 0 : strlen(word) / 2;
    if (kw_hex_decode_exact(word, len, kw_bytes(word, 2 * len), NULL) != KW_OK)
        exit(2);
    word[len] = '\0';
    return kw_bytes(word, len);
}

static KW_ERR sign(char **words, size_t count, struct kw_buf *out, struct kw_error *err)
{
    struct kw_sigv4_header headers[KW_SIGV4_HEADERS_MAX];
    struct kw_bytes fields[9] = {{0}};
    KW_AUTO(kw_secret) secret = KW_SECRET_INIT;
    for (size_t i = 1; i < count; i++)
        if (i < 9)
            fields[i] = decoded(words[i]);
        else
            (void)decoded(words[i]);
    for (size_t i = 9; i + 1 < count; i += 2)
        headers[(i - 9) / 2] = (struct kw_sigv4_header){words[i], words[i + 1]};
    const struct kw_sigv4_request request = {.method = words[0],
                                             .path = fields[1],
                                             .query = fields[2],
                                             .headers = headers,
                                             .header_count = (count - 9) / 2,
                                             .body = fields[3]};
    const struct kw_sigv4_scope scope = {words[4], words[5], words[6]};
    KW_TRY(kw_secret_copy(&secret, fields[8].data, fields[8].len, err));
    const struct kw_sigv4_keys keys = {words[7], &secret};
    return kw_sigv4_authorization(&request, &scope, &keys, out, err);
}

int main(void)
{
    static char line[LINE_SIZE];
    while (fgets(line, sizeof line, stdin) != NULL) {
        KW_AUTO(kw_buf) out = KW_BUF_INIT;
        char *words[WORDS_MAX];
        char *rest = line;
        size_t count = 0;
        struct kw_error err;
        line[strcspn(line, "\n")] = '\0';
        for (char *word; count < WORDS_MAX && (word = strsep(&rest, " ")) != NULL;)
            words[count++] = word;
        if (count < 9 || sign(words, count, &out, &err) != KW_OK)
            return 1;
        printf("%s\n", kw_buf_str(&out));
        fflush(stdout);
    }
    return 0;
}
