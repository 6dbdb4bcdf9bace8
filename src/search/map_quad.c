/*
 * From a place to a point of a tile. Scenes come in any projection; within a tile the way from its
 * corners is taken as bilinear. In longitude and latitude that fails at the poles and at the
 * antimeridian, so it is done in the plane that touches the globe at the tile's middle, where small
 * quadrangles keep their shape. Bilinear interpolation is inverted by the quadratic formula.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "map_quad.h"

#include <math.h>

#define RADIANS(deg) ((deg) * (M_PI / 180))
#define BOX_E7 20      /* corners this near to a box of longitude and latitude are one */
#define REACH_COS 0.87 /* cosine of 30 degrees: the farthest corner from the middle */
#define EDGE 1e-9

static void to_sphere(double out[3], double lon_deg, double lat_deg)
{
    const double lon = RADIANS(lon_deg), lat = RADIANS(lat_deg);
    out[0] = cos(lat) * cos(lon);
    out[1] = cos(lat) * sin(lon);
    out[2] = sin(lat);
}

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

static bool near(int32_t a, int32_t b)
{
    const int64_t away = (int64_t)a - b;
    return away <= BOX_E7 && away >= -BOX_E7;
}

/* Upper left, upper right, lower right, lower left: north up, not across the antimeridian. */
static bool is_box(const int32_t *corner)
{
    return near(corner[0], corner[6]) && near(corner[2], corner[4]) && near(corner[1], corner[3]) &&
           near(corner[5], corner[7]) && corner[0] < corner[2] && corner[5] < corner[1];
}

static bool project(const struct map_quad *quad, const double at[3], double *x, double *y)
{
    const double height = dot(at, quad->up);
    if (height < 0.1)
        return false;
    *x = dot(at, quad->east) / height;
    *y = dot(at, quad->north) / height;
    return true;
}

static bool init_plane(struct map_quad *quad, const int32_t *corner)
{
    double at[4][3], sum[3] = {0};
    for (int i = 0; i < 4; i++) {
        to_sphere(at[i], corner[2 * i] * 1e-7, corner[2 * i + 1] * 1e-7);
        for (int c = 0; c < 3; c++)
            sum[c] += at[i][c];
    }
    const double length = sqrt(dot(sum, sum));
    if (length < 1e-6)
        return false;
    for (int c = 0; c < 3; c++)
        quad->up[c] = sum[c] / length;
    /* Any axes in the plane will do. */
    const double flat = hypot(quad->up[0], quad->up[1]);
    quad->east[0] = flat > 1e-9 ? -quad->up[1] / flat : 1;
    quad->east[1] = flat > 1e-9 ? quad->up[0] / flat : 0;
    quad->east[2] = 0;
    quad->north[0] = quad->up[1] * quad->east[2] - quad->up[2] * quad->east[1];
    quad->north[1] = quad->up[2] * quad->east[0] - quad->up[0] * quad->east[2];
    quad->north[2] = quad->up[0] * quad->east[1] - quad->up[1] * quad->east[0];
    for (int i = 0; i < 4; i++)
        if (dot(at[i], quad->up) < REACH_COS || !project(quad, at[i], &quad->x[i], &quad->y[i]))
            return false;
    return true;
}

bool map_quad_init(struct map_quad *quad, const struct akin_columns *columns)
{
    const int32_t *corner = columns->corner_e7;
    *quad = (struct map_quad){0};
    for (int i = 0; i < 8; i++)
        if (corner[i] == AKIN_E7_UNKNOWN)
            return false;
    quad->flat = is_box(corner);
    if (!quad->flat)
        return init_plane(quad, corner);
    quad->west = corner[0] * 1e-7;
    for (int i = 0; i < 4; i++) {
        quad->x[i] = corner[2 * i] * 1e-7 - quad->west;
        quad->y[i] = corner[2 * i + 1] * 1e-7;
    }
    return true;
}

/* (1-u)(1-v) p0 + u (1-v) p1 + u v p2 + (1-u) v p3 = p, for u and v. */
static bool invert(const struct map_quad *quad, double x, double y, double *u, double *v)
{
    const double ex = quad->x[1] - quad->x[0], ey = quad->y[1] - quad->y[0];
    const double fx = quad->x[3] - quad->x[0], fy = quad->y[3] - quad->y[0];
    const double gx = quad->x[0] - quad->x[1] + quad->x[2] - quad->x[3];
    const double gy = quad->y[0] - quad->y[1] + quad->y[2] - quad->y[3];
    const double hx = x - quad->x[0], hy = y - quad->y[0];
    const double a = gx * fy - gy * fx;
    const double b = ex * fy - ey * fx + hx * gy - hy * gx;
    const double c = hx * ey - hy * ex;
    const double size = fabs(ex * fy - ey * fx);
    if (size <= 0)
        return false;
    double t;
    if (fabs(a) < 1e-9 * size) {
        t = -c / b;
    } else {
        const double root = b * b - 4 * a * c;
        if (root < 0)
            return false;
        const double sign = b < 0 ? -1 : 1;
        const double q = -0.5 * (b + sign * sqrt(root));
        t = c / q; /* the root that stays finite as the quadrangle becomes a parallelogram */
        if (!(t >= -EDGE && t <= 1 + EDGE))
            t = q / a;
    }
    const double dx = ex + gx * t, dy = ey + gy * t;
    *v = t;
    *u = fabs(dx) > fabs(dy) ? (hx - fx * t) / dx : (hy - fy * t) / dy;
    return *u >= -EDGE && *u <= 1 + EDGE && *v >= -EDGE && *v <= 1 + EDGE;
}

bool map_quad_find(const struct map_quad *quad, double lon_deg, double lat_deg, double *u,
                   double *v)
{
    double x, y;
    if (quad->flat) {
        x = lon_deg - quad->west;
        y = lat_deg;
    } else {
        double at[3];
        to_sphere(at, lon_deg, lat_deg);
        if (!project(quad, at, &x, &y))
            return false;
    }
    return invert(quad, x, y, u, v);
}
