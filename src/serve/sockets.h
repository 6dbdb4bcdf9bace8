/*
 * A watch over the sockets: each has a time by which its client must have sent a request, or taken an
 * answer. The HTTP library's own time-out begins anew with every byte, which a client that sends one
 * now and then defeats.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SERVE_SOCKETS_H
#define AKIN_SERVE_SOCKETS_H

#include "akin/core.h"

struct socket_watch;
struct socket_entry;
akin_status sockets_create(struct socket_watch **out, akin_error *err);
void sockets_free(struct socket_watch *watch);
/* NULL when out of memory: that one is not watched. */
struct socket_entry *sockets_add(struct socket_watch *watch, int fd, double deadline_ms);
void sockets_remove(struct socket_watch *watch, struct socket_entry *entry); /* takes NULL */
void sockets_set(struct socket_entry *entry, double deadline_ms);            /* takes NULL */
/* Shuts down those whose time is over; returns how many. */
unsigned sockets_end_late(struct socket_watch *watch, double now_ms);

#endif
