/*
 * A set of marks for other tools.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SERVE_MARKS_EXPORT_H
#define AKIN_SERVE_MARKS_EXPORT_H

#include "json_out.h"
#include "server.h"

/* The set that the path names, as geojson, csv or coco; *type is its content type. Marks of tiles that
 * are gone are left out. */
akin_status marks_export(struct request *request, struct json_out *out,
                         struct collection *collection, const char *format, const char **type,
                         akin_error *err);

#endif
