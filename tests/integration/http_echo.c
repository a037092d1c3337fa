/* The HTTP layer as a program, for tests by other people's clients: serves the paths of
 * tests/support/http_echo.h on a free port, prints it, and stops when its input ends.
 *
 *     http_echo                            plain, loopback
 *     http_echo CERT KEY [CA]              TLS; with CA client certificates are required */
#include "http_echo.h"

int main(int argc, char **argv)
{
    static struct test_echo echo;
    struct kw_error err;
    char byte;
    test_echo_init(&echo);
    kw_secret_allow_unlocked();
    echo.options.plain = argc < 3;
    if (argc >= 3) {
        echo.options.tls.cert_path = argv[1];
        echo.options.tls.key_path = argv[2];
    }
    if (argc >= 4) {
        echo.options.tls.ca_path = argv[3];
        echo.options.tls.client_cert = KW_HTTP_CERT_REQUIRED;
    }
    echo.options.limits.header_ms = 1000;
    if (test_echo_start(&echo, &err) != KW_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    printf("%u\n", echo.port);
    fflush(stdout);
    while (read(0, &byte, 1) > 0)
        ;
    test_echo_stop(&echo);
    return 0;
}
