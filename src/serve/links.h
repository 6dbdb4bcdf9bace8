/*
 * Addresses of our own routes, as the client has to call them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SERVE_LINKS_H
#define AKIN_SERVE_LINKS_H

#include "json_out.h"
#include "request.h"
#include "server.h"

#define LINK_BASE_MAX 512
/* "http://127.0.0.1:8080" or --base-url; no slash at the end. */
void link_base(const struct request *request, char out[LINK_BASE_MAX]);
/* {"rel":REL,"type":TYPE,"href":BASE + PATH}; path is written as it is, NULL type is left out. */
void put_link(struct json_out *out, const char *rel, const char *type, const char *base,
              const char *path);
/* "?collection=NAME" where several are served, else "". */
#define LINK_QUERY_MAX 96
void link_query(const struct server *server, const struct collection *collection,
                char out[LINK_QUERY_MAX]);
/* The text with everything but letters, digits and -._~ as %XX. */
akin_status link_escape(struct akin_buffer *out, const char *text, akin_error *err);

/* ,"datetime":...,"start_datetime":...,"end_datetime":...,"time":... of an interval: RFC 3339. */
void put_times(struct json_out *out, struct akin_interval time);
/* [w,s,e,n] */
void put_bbox(struct json_out *out, struct akin_bbox box);
/* What a scene is called: the last part of its address; and whether the address itself may be told: a
 * network address, or --show-paths. */
const char *scene_title(const struct akin_scene *scene);
bool scene_uri_is_public(const struct server *server, const struct akin_scene *scene);
/* What was written into the reply's body is the answer, unless `status` or the writing says otherwise. */
void put_reply(struct request *request, const struct json_out *out, const char *type,
               akin_status status, const akin_error *err);
#define TYPE_JSON "application/json"
#define TYPE_GEOJSON "application/geo+json"

#endif
