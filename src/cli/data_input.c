#include "cli/data_io.h"

#include "base/encode.h"
#include "envelope/text.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { PEEK_MAX = 65536 };

KW_ERR kw_input_open(struct kw_input *in, const char *path, struct kw_error *err)
{
    bool standard = path == NULL || strcmp(path, "-") == 0;
    in->name = standard ? "standard input" : path;
    in->fd = standard ? 0 : open(path, O_RDONLY | O_CLOEXEC);
    if (in->fd < 0)
        return kw_fail_errno(err, errno, "cannot open %s", path);
    in->owned = !standard;
    if (fstat(in->fd, &in->st) != 0)
        return kw_fail_errno(err, errno, "cannot read %s", in->name);
    if (S_ISDIR(in->st.st_mode))
        return kw_fail(err, KW_USAGE, "%s is a folder: name a file", in->name);
    return KW_OK;
}

void kw_input_wipe(struct kw_input *in)
{
    if (in->owned)
        close(in->fd);
    kw_buf_wipe(&in->raw);
    kw_buf_wipe(&in->decoded);
    *in = (struct kw_input)KW_INPUT_INIT;
}

uint64_t kw_input_size(const struct kw_input *in)
{
    return S_ISREG(in->st.st_mode) && in->st.st_size > 0 ? (uint64_t)in->st.st_size : 0;
}

/* Reads until len bytes are there or the end has come. */
static KW_ERR read_full(struct kw_input *in, uint8_t *out, size_t len, size_t *got,
                        struct kw_error *err)
{
    size_t have = 0;
    while (have < len && !in->ended) {
        ssize_t n = read(in->fd, out + have, len - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return kw_fail_errno(err, errno, "cannot read %s", in->name);
        in->ended = n == 0;
        have += (size_t)n;
    }
    *got = have;
    return KW_OK;
}

static KW_ERR fill_raw(struct kw_input *in, size_t len, struct kw_error *err)
{
    size_t got = 0;
    if (in->raw.len >= len)
        return KW_OK;
    size_t want = len - in->raw.len;
    uint8_t *room = kw_buf_reserve(&in->raw, want);
    if (room == NULL)
        return kw_buf_status(&in->raw, err);
    KW_TRY(read_full(in, room, want, &got, err));
    in->raw.len += got;
    return KW_OK;
}

KW_ERR kw_input_peek(struct kw_input *in, size_t len, struct kw_bytes *out, struct kw_error *err)
{
    KW_TRY(fill_raw(in, len < PEEK_MAX ? len : PEEK_MAX, err));
    *out = kw_buf_bytes(&in->raw);
    return KW_OK;
}

KW_ERR kw_input_expect_text(struct kw_input *in, struct kw_error *err)
{
    struct kw_bytes front;
    KW_TRY(kw_input_peek(in, KW_TEXT_PREFIX_SIZE, &front, err));
    if (kw_text_is(front)) {
        in->is_text = true;
        kw_buf_consume(&in->raw, KW_TEXT_PREFIX_SIZE);
    }
    return KW_OK;
}

/* Decodes what is certain: whole groups of four, and line ends only once it is known that nothing
 * follows them. Strictness is that of one decoding, as a whole group has no unused bits. */
static KW_ERR decode_more(struct kw_input *in, struct kw_error *err)
{
    KW_TRY(fill_raw(in, PEEK_MAX, err));
    size_t usable = in->raw.len;
    while (usable > 0 && strchr("\r\n", in->raw.data[usable - 1]) != NULL &&
           in->raw.data[usable - 1] != '\0')
        usable--;
    bool last = in->ended && in->raw.len < PEEK_MAX;
    if (!last)
        usable &= ~(size_t)3;
    if (!last && usable == 0)
        return kw_fail(err, KW_BAD_ENCODING, "%s holds empty lines where sealed text is expected",
                       in->name);
    kw_code code = kw_base64url_decode(&in->decoded, kw_bytes(in->raw.data, usable), err);
    if (code != KW_OK)
        return kw_fail(err, code, "%s is not the text form of a sealed thing: it was altered",
                       in->name);
    if (last)
        kw_buf_reset(&in->raw);
    else
        kw_buf_consume(&in->raw, usable);
    return kw_buf_status(&in->decoded, err);
}

static size_t take(struct kw_buf *from, uint8_t *out, size_t len)
{
    size_t n = from->len < len ? from->len : len;
    if (n > 0) {
        memcpy(out, from->data, n);
        kw_buf_consume(from, n);
    }
    return n;
}

static KW_ERR read_text(struct kw_input *in, uint8_t *out, size_t len, size_t *got,
                        struct kw_error *err)
{
    size_t have = take(&in->decoded, out, len);
    while (have < len && !(in->ended && in->raw.len == 0)) {
        KW_TRY(decode_more(in, err));
        have += take(&in->decoded, out + have, len - have);
    }
    *got = have;
    return KW_OK;
}

KW_ERR kw_input_read(struct kw_input *in, uint8_t *out, size_t len, size_t *got,
                     struct kw_error *err)
{
    size_t more = 0;
    if (in->is_text)
        return read_text(in, out, len, got, err);
    size_t have = take(&in->raw, out, len);
    KW_TRY(read_full(in, out + have, len - have, &more, err));
    *got = have + more;
    return KW_OK;
}

KW_ERR kw_input_append(struct kw_input *in, struct kw_buf *out, size_t len, size_t *got,
                       struct kw_error *err)
{
    uint8_t *room = kw_buf_reserve(out, len);
    if (room == NULL)
        return kw_buf_status(out, err);
    KW_TRY(kw_input_read(in, room, len, got, err));
    out->len += *got;
    return KW_OK;
}
