/*
 * The listening socket.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SERVE_LISTEN_H
#define AKIN_SERVE_LISTEN_H

#include "server.h"

/* Listens as the options say; fills in server->address and server->loopback. */
akin_status listen_open(struct server *server, int *out, akin_error *err);

#endif
