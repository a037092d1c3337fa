/* Deadlines: a hashed wheel of 128 ms ticks. A connection sits in the slot of the earliest deadline
 * it was armed with; one that has moved further since is only noticed when the slot comes up, so
 * the ordinary request, which pushes its deadline back, costs nothing here. */
#include "http/internal.h"

static size_t slot_of(int64_t tick)
{
    return (size_t)(tick % KW_HTTP_WHEEL_SLOTS);
}

void kw_http_wheel_disarm(struct kw_http_conn *conn)
{
    if (conn->timer_tick < 0)
        return;
    if (conn->timer_prev != NULL)
        conn->timer_prev->timer_next = conn->timer_next;
    else
        conn->worker->wheel.slots[slot_of(conn->timer_tick)] = conn->timer_next;
    if (conn->timer_next != NULL)
        conn->timer_next->timer_prev = conn->timer_prev;
    conn->timer_next = conn->timer_prev = NULL;
    conn->timer_tick = -1;
}

static void insert(struct kw_http_conn *conn, int64_t tick)
{
    struct kw_http_conn **slot = &conn->worker->wheel.slots[slot_of(tick)];
    conn->timer_tick = tick;
    conn->timer_prev = NULL;
    conn->timer_next = *slot;
    if (*slot != NULL)
        (*slot)->timer_prev = conn;
    *slot = conn;
}

void kw_http_wheel_arm(struct kw_http_conn *conn)
{
    struct kw_http_wheel *wheel = &conn->worker->wheel;
    int64_t deadline = kw_http_conn_deadline(conn);
    if (deadline == INT64_MAX)
        return; /* an earlier place stays: it is looked at in vain, once */
    int64_t tick = deadline / KW_HTTP_TICK_MS + 1;
    if (tick <= wheel->tick)
        tick = wheel->tick + 1;
    if (tick >= wheel->tick + KW_HTTP_WHEEL_SLOTS)
        tick = wheel->tick + KW_HTTP_WHEEL_SLOTS - 1;
    if (conn->timer_tick >= 0 && conn->timer_tick <= tick)
        return;
    kw_http_wheel_disarm(conn);
    insert(conn, tick);
}

static void turn_slot(struct kw_http_worker *worker, int64_t tick)
{
    struct kw_http_conn *conn = worker->wheel.slots[slot_of(tick)];
    worker->wheel.slots[slot_of(tick)] = NULL;
    while (conn != NULL) {
        struct kw_http_conn *next = conn->timer_next;
        conn->timer_next = conn->timer_prev = NULL;
        conn->timer_tick = -1;
        if (kw_http_conn_deadline(conn) <= worker->now_ms)
            kw_http_conn_expire(conn);
        if (conn->state != KW_HTTP_CLOSED)
            kw_http_wheel_arm(conn);
        conn = next;
    }
}

void kw_http_wheel_turn(struct kw_http_worker *worker)
{
    struct kw_http_wheel *wheel = &worker->wheel;
    int64_t now = worker->now_ms / KW_HTTP_TICK_MS;
    if (now - wheel->tick > KW_HTTP_WHEEL_SLOTS)
        wheel->tick = now - KW_HTTP_WHEEL_SLOTS;
    while (wheel->tick < now) {
        wheel->tick++;
        turn_slot(worker, wheel->tick);
    }
}
