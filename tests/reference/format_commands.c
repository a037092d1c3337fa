/* One command a line on standard input, one answer a line on standard output: the sealed formats of
 * the C implementation for tests/reference/compare.py. */
#include "envelope_commands.h"

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    while ((len = getline(&line, &size, stdin)) > 0) {
        KW_AUTO(kw_buf) answer = KW_BUF_INIT;
        kw_envelope_command(kw_bytes(line, (size_t)len), &answer);
        kw_buf_append_byte(&answer, '\n');
        if (answer.failed || fwrite(answer.data, 1, answer.len, stdout) != answer.len)
            return 1;
        fflush(stdout);
    }
    free(line);
    return 0;
}
