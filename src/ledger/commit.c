/* Group commit, and the watchdog. */
#include "base/clock.h"
#include "ledger/state.h"

#include <sys/stat.h>

/* A frame is no longer than this, unless a single batch is. */
enum { FRAME_BYTES = 4 << 20, WATCH_SHORTEST_MS = 2, WATCH_LONGEST_MS = 250 };

static void push(struct kw_ledger_queue *queue, struct kw_ledger_batch *batch)
{
    batch->next = NULL;
    if (queue->last != NULL)
        queue->last->next = batch;
    else
        queue->first = batch;
    queue->last = batch;
}

static struct kw_ledger_batch *pop(struct kw_ledger_queue *queue)
{
    struct kw_ledger_batch *batch = queue->first;
    queue->first = batch->next;
    if (queue->first == NULL)
        queue->last = NULL;
    return batch;
}

static KW_ERR check_batch(const struct kw_ledger_batch *batch, struct kw_error *err)
{
    if (batch->count == 0)
        return kw_fail(err, KW_INTERNAL, "an empty batch was appended to the ledger");
    KW_TRY(kw_buf_status(&batch->entries, err));
    return kw_buf_status(&batch->hashes, err);
}

/* The lock is held. */
static void make_due(struct kw_ledger *ledger)
{
    bool was_due = ledger->due;
    ledger->due = ledger->queued.first != NULL;
    if (ledger->due && !was_due)
        pthread_cond_signal(&ledger->to_commit);
}

void kw_ledger_kick(struct kw_ledger *ledger)
{
    pthread_mutex_lock(&ledger->lock);
    make_due(ledger);
    pthread_mutex_unlock(&ledger->lock);
}

KW_ERR kw_ledger_append(struct kw_ledger *ledger, struct kw_ledger_batch *batch,
                        struct kw_error *err)
{
    KW_TRY(check_batch(batch, err));
    int64_t now = kw_clock_ms();
    kw_code code = KW_OK;
    pthread_mutex_lock(&ledger->lock);
    if (ledger->closing)
        code = KW_SHUTTING_DOWN;
    else if (batch->entries.len > ledger->pending_max - ledger->pending)
        code = KW_OVERLOADED;
    if (code != KW_OK) {
        ledger->stats.failures++;
        pthread_mutex_unlock(&ledger->lock);
        return kw_fail(err, code, "the ledger %s",
                       code == KW_OVERLOADED ? "has too much waiting to be written"
                                             : "is being closed");
    }
    batch->deadline_ms = now + ledger->append_deadline_ms;
    ledger->pending += batch->entries.len;
    push(&ledger->queued, batch);
    if (!batch->more)
        make_due(ledger);
    if (!ledger->watching) {
        ledger->watching = true;
        pthread_cond_signal(&ledger->to_watch);
    }
    pthread_mutex_unlock(&ledger->lock);
    return KW_OK;
}

/* Answers the batches of a list that the caller has taken off the ledger. */
static void answer(struct kw_ledger_batch *batch, kw_code code)
{
    while (batch != NULL) {
        struct kw_ledger_batch *next = batch->next; /* done() may free it */
        batch->done(batch, code);
        batch = next;
    }
}

/* --- the commit thread --- */

struct group {
    struct kw_buf data; /* room for a segment header, frame header, entries, zeros */
    struct kw_buf hashes;
    size_t length; /* of the entries */
    uint32_t count;
    uint64_t first_index;
};

/* Moves batches from the queue into flight; the lock is held. */
static void take_group(struct kw_ledger *ledger, struct group *group)
{
    size_t bytes = 0;
    ledger->copying = true;
    group->first_index = ledger->size;
    do {
        bytes += ledger->queued.first->entries.len;
        push(&ledger->inflight, pop(&ledger->queued));
    } while (ledger->queued.first != NULL &&
             bytes + ledger->queued.first->entries.len <= FRAME_BYTES);
    ledger->due = ledger->queued.first != NULL;
}

/* Copies the batches in flight into one frame. */
static KW_ERR copy_group(struct kw_ledger *ledger, struct group *group, struct kw_error *err)
{
    static const uint8_t zeros[KW_FRAME_ALIGN];
    const size_t head = KW_SEGMENT_HEADER_SIZE + KW_FRAME_HEADER_SIZE;
    kw_buf_reset(&group->data);
    kw_buf_reset(&group->hashes);
    group->count = 0;
    if (kw_buf_reserve(&group->data, head) != NULL) {
        memset(group->data.data, 0, head);
        group->data.len = head;
    }
    for (struct kw_ledger_batch *b = ledger->inflight.first; b != NULL; b = b->next) {
        b->first_index = group->first_index + group->count;
        kw_buf_append(&group->data, b->entries.data, b->entries.len);
        kw_buf_append(&group->hashes, b->hashes.data, b->hashes.len);
        group->count += b->count;
    }
    group->length = group->data.len - head;
    kw_buf_append(&group->data, zeros,
                  kw_frame_size(group->length) - KW_FRAME_HEADER_SIZE - group->length);
    KW_TRY(kw_buf_status(&group->data, err));
    return kw_buf_status(&group->hashes, err);
}

/* Makes the copied entries a frame at its place in the file. */
static void seal_group(struct group *group, const struct kw_segment *segment)
{
    struct kw_frame_header header = {
        .length = (uint32_t)group->length,
        .count = group->count,
        .first_index = group->first_index,
        .offset = segment->end == 0 ? KW_SEGMENT_HEADER_SIZE : (uint64_t)segment->end,
    };
    kw_frame_header_put(group->data.data + KW_SEGMENT_HEADER_SIZE, &header, segment->header.id,
                        kw_buf_bytes(&group->hashes));
}

/* Is the checkpoint on disk ours? The publisher may replace it at any time: only what is read while
 * its two numbers do not change counts. */
static bool checkpoint_is_ours(struct kw_publisher *publisher, const char *path)
{
    uint64_t now;
    uint64_t next;
    do {
        now = atomic_load(&publisher->inode);
        next = atomic_load(&publisher->inode_next);
        ino_t inode = kw_ledger_io_inode(path);
        if (inode == 0)
            return false;
        if (inode == now || inode == next)
            return true;
    } while (now != atomic_load(&publisher->inode) || next != atomic_load(&publisher->inode_next));
    return false;
}

/* The published part must still be there: an audit log whose files are removed must not go on. */
static KW_ERR check_folder(struct kw_ledger *ledger, struct kw_error *err)
{
    char path[KW_PATH_SIZE];
    KW_TRY(kw_path_format(path, err, "%s/checkpoint", ledger->dir));
    if (checkpoint_is_ours(&ledger->publisher, path))
        return KW_OK;
    return kw_fail(
        err, KW_LEDGER_UNAVAILABLE,
        "%s was deleted or replaced while in use: put the ledger's folder back as it was", path);
}

static KW_ERR write_group(struct kw_ledger *ledger, struct group *group, struct kw_error *err)
{
    struct kw_segment *segment;
    size_t len = kw_frame_size(group->length);
    KW_TRY(check_folder(ledger, err));
    KW_TRY(kw_wal_place(&ledger->wal, len, group->first_index, &segment, err));
    seal_group(group, segment);
    KW_TRY(kw_wal_write(&ledger->wal, segment, &group->data, err));
    pthread_mutex_lock(&ledger->lock);
    kw_wal_commit(&ledger->wal, segment, len, group->first_index + group->count);
    ledger->size = group->first_index + group->count;
    pthread_mutex_unlock(&ledger->lock);
    return KW_OK;
}

static KW_ERR commit_group(struct kw_ledger *ledger, struct group *group, struct kw_error *err)
{
    kw_code code = copy_group(ledger, group, err);
    struct kw_error tampered = {0};
    pthread_mutex_lock(&ledger->lock);
    ledger->copying = false;
    if (ledger->tampered)
        tampered = ledger->publish_error;
    pthread_mutex_unlock(&ledger->lock);
    if (code == KW_OK && tampered.code != KW_OK)
        return kw_fail(err, KW_LEDGER_UNAVAILABLE, "%s", tampered.text);
    KW_TRY(code);
    return write_group(ledger, group, err);
}

static void count_commit(struct kw_ledger *ledger, kw_code code, int64_t us)
{
    struct kw_ledger_stats *stats = &ledger->stats;
    if (code != KW_OK)
        return;
    stats->commits++;
    stats->commit_us_total += (uint64_t)us;
    if ((uint64_t)us > stats->commit_us_max)
        stats->commit_us_max = (uint64_t)us;
}

/* Only if it has something to do: a wake-up costs more than an entry. The lock is held. */
static void wake_publisher(struct kw_ledger *ledger)
{
    bool spare = kw_wal_wants_spare(&ledger->wal) && !ledger->spare_asked;
    bool backlog = ledger->size - ledger->published >= KW_LEDGER_BACKLOG && !ledger->publish_now;
    if (!ledger->publisher_idle && !spare && !backlog)
        return;
    ledger->spare_asked = spare || ledger->spare_asked;
    pthread_cond_signal(&ledger->to_publish);
}

/* One group, from the queue to the answers. The lock is held before and after. */
static void run_group(struct kw_ledger *ledger, struct group *group)
{
    struct kw_error error = {0};
    take_group(ledger, group);
    pthread_mutex_unlock(&ledger->lock);
    int64_t start = kw_clock_us();
    kw_code code = commit_group(ledger, group, &error);
    int64_t us = kw_clock_us() - start;
    pthread_mutex_lock(&ledger->lock);
    count_commit(ledger, code, us);
    ledger->commit_error = error;
    ledger->commit_error.code = code;
    struct kw_ledger_batch *batch = ledger->inflight.first;
    ledger->inflight = (struct kw_ledger_queue){0};
    for (const struct kw_ledger_batch *b = batch; b != NULL; b = b->next) {
        ledger->pending -= b->entries.len;
        ledger->stats.failures += code != KW_OK;
    }
    wake_publisher(ledger);
    pthread_mutex_unlock(&ledger->lock);
    answer(batch, code);
    pthread_mutex_lock(&ledger->lock);
}

void *kw_ledger_commit_thread(void *arg)
{
    struct kw_ledger *ledger = arg;
    struct group group = {0};
    pthread_mutex_lock(&ledger->lock);
    for (;;) {
        while ((!ledger->due || ledger->queued.first == NULL) && !ledger->closing)
            pthread_cond_wait(&ledger->to_commit, &ledger->lock);
        if (ledger->queued.first == NULL)
            break;
        run_group(ledger, &group);
    }
    ledger->commit_ended = true;
    ledger->running--;
    pthread_cond_broadcast(&ledger->settled);
    pthread_cond_broadcast(&ledger->to_publish);
    pthread_cond_broadcast(&ledger->to_watch);
    pthread_mutex_unlock(&ledger->lock);
    kw_buf_wipe(&group.data);
    kw_buf_wipe(&group.hashes);
    kw_ledger_unref(ledger);
    return NULL;
}

/* --- the watchdog --- */

static void expire(struct kw_ledger *ledger, struct kw_ledger_queue *queue, int64_t now,
                   struct kw_ledger_queue *expired)
{
    while (queue->first != NULL && queue->first->deadline_ms <= now) {
        struct kw_ledger_batch *batch = pop(queue);
        ledger->pending -= batch->entries.len;
        ledger->stats.failures++;
        push(expired, batch);
    }
}

/* The lock is held before and after. */
static void expire_all(struct kw_ledger *ledger)
{
    struct kw_ledger_queue expired = {0};
    int64_t now = kw_clock_ms();
    if (!ledger->copying)
        expire(ledger, &ledger->inflight, now, &expired);
    expire(ledger, &ledger->queued, now, &expired);
    make_due(ledger);
    if (expired.first == NULL)
        return;
    ledger->commit_error.code = KW_LEDGER_UNAVAILABLE;
    snprintf(ledger->commit_error.text, sizeof ledger->commit_error.text,
             "the disk of %.300s is too slow: an entry was not durable after %u ms", ledger->dir,
             ledger->append_deadline_ms);
    pthread_mutex_unlock(&ledger->lock);
    answer(expired.first, KW_LEDGER_UNAVAILABLE);
    pthread_mutex_lock(&ledger->lock);
}

void *kw_ledger_watch_thread(void *arg)
{
    struct kw_ledger *ledger = arg;
    int64_t tick = ledger->append_deadline_ms / 8;
    if (tick < WATCH_SHORTEST_MS)
        tick = WATCH_SHORTEST_MS;
    if (tick > WATCH_LONGEST_MS)
        tick = WATCH_LONGEST_MS;
    pthread_mutex_lock(&ledger->lock);
    while (!ledger->commit_ended) {
        bool idle = ledger->queued.first == NULL && ledger->inflight.first == NULL;
        if (idle) { /* append wakes it: once an idle time, not once an entry */
            ledger->watching = false;
            pthread_cond_wait(&ledger->to_watch, &ledger->lock);
        } else {
            kw_ledger_wait(ledger, &ledger->to_watch, tick);
            expire_all(ledger);
        }
    }
    ledger->running--;
    pthread_cond_broadcast(&ledger->settled);
    pthread_mutex_unlock(&ledger->lock);
    kw_ledger_unref(ledger);
    return NULL;
}
