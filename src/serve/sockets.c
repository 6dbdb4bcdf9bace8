/*
 * A list under a mutex; the times are atomic, since they change with every request.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sockets.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

struct socket_entry {
    int fd;
    _Atomic double deadline_ms;
    struct socket_entry *next, *previous;
};
struct socket_watch {
    pthread_mutex_t mutex;
    struct socket_entry list; /* a ring: list itself is no socket */
};

akin_status sockets_create(struct socket_watch **out, akin_error *err)
{
    struct socket_watch *watch = akin_alloc_zero(1, sizeof *watch);
    if (!watch)
        return akin_error_memory(err, sizeof *watch, "the sockets' watch");
    pthread_mutex_init(&watch->mutex, NULL);
    watch->list.next = watch->list.previous = &watch->list;
    *out = watch;
    return AKIN_OK;
}

void sockets_free(struct socket_watch *watch)
{
    if (!watch)
        return;
    while (watch->list.next != &watch->list)
        sockets_remove(watch, watch->list.next);
    pthread_mutex_destroy(&watch->mutex);
    akin_free(watch);
}

struct socket_entry *sockets_add(struct socket_watch *watch, int fd, double deadline_ms)
{
    struct socket_entry *entry = akin_alloc_zero(1, sizeof *entry);
    if (!entry)
        return NULL;
    entry->fd = fd;
    atomic_init(&entry->deadline_ms, deadline_ms);
    pthread_mutex_lock(&watch->mutex);
    entry->next = watch->list.next;
    entry->previous = &watch->list;
    entry->next->previous = entry;
    watch->list.next = entry;
    pthread_mutex_unlock(&watch->mutex);
    return entry;
}

void sockets_remove(struct socket_watch *watch, struct socket_entry *entry)
{
    if (!entry)
        return;
    pthread_mutex_lock(&watch->mutex);
    entry->next->previous = entry->previous;
    entry->previous->next = entry->next;
    pthread_mutex_unlock(&watch->mutex);
    akin_free(entry);
}

void sockets_set(struct socket_entry *entry, double deadline_ms)
{
    if (entry)
        atomic_store_explicit(&entry->deadline_ms, deadline_ms, memory_order_relaxed);
}

unsigned sockets_end_late(struct socket_watch *watch, double now_ms)
{
    unsigned ended = 0;
    pthread_mutex_lock(&watch->mutex);
    for (struct socket_entry *entry = watch->list.next; entry != &watch->list; entry = entry->next)
        if (atomic_load_explicit(&entry->deadline_ms, memory_order_relaxed) < now_ms) {
            shutdown(entry->fd, SHUT_RDWR);
            atomic_store(&entry->deadline_ms, INFINITY);
            ended++;
        }
    pthread_mutex_unlock(&watch->mutex);
    return ended;
}
