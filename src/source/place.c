/*
 * Where pixels lie on Earth. A place is a way from pixel to map coordinates (an affine transform,
 * ground control points, or a camera model, RPC) and a way from the map to longitude and latitude.
 * What is not on Earth, or has no known reference system, has no place.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <math.h>
#include <string.h>

#include "gdal_api.h"
#include "source_private.h"

#define EDGE_POINTS 32 /* a side, for the bbox: curved edges of polar and conic maps */
#define GRID_POINTS 24 /* a side, inside an image whose edges have no place */

struct place {
    double affine[6]; /* GDAL's geotransform, where model is NULL */
    void *model;      /* of GCPs or RPC, or NULL */
    OGRCoordinateTransformationH
        to_lonlat; /* NULL where the map is longitude and latitude already */
};

void place_free(struct place *place)
{
    if (!place)
        return;
    if (place->model)
        gdal.GDALDestroyTransformer(place->model);
    if (place->to_lonlat)
        gdal.OCTDestroyCoordinateTransformation(place->to_lonlat);
    akin_free(place);
}

/* ---- reference systems ---- */

/* Semi-major axes of every Earth ellipsoid in use lie within this. */
static bool is_on_earth(OGRSpatialReferenceH crs)
{
    OGRErr failed = OGRERR_NONE;
    const double axis_m = gdal.OSRGetSemiMajor(crs, &failed);
    return !gdal.OSRIsLocal(crs) && failed == OGRERR_NONE && axis_m > 6.34e6 && axis_m < 6.41e6;
}

/* False where the reference system does not lead to a place on Earth. Borrows `crs`. */
static bool set_crs(struct place *place, OGRSpatialReferenceH crs)
{
    if (!crs || !is_on_earth(crs))
        return false;
    OGRSpatialReferenceH from = gdal.OSRClone(crs), lonlat = gdal.OSRNewSpatialReference(NULL);
    bool good = from && lonlat && gdal.OSRImportFromEPSG(lonlat, 4326) == OGRERR_NONE;
    if (good) {
        gdal.OSRSetAxisMappingStrategy(from, OAMS_TRADITIONAL_GIS_ORDER);
        gdal.OSRSetAxisMappingStrategy(lonlat, OAMS_TRADITIONAL_GIS_ORDER);
        if (!gdal.OSRIsSame(from, lonlat)) {
            place->to_lonlat = gdal.OCTNewCoordinateTransformation(from, lonlat);
            good = place->to_lonlat != NULL;
        }
    }
    gdal.OSRDestroySpatialReference(from);
    gdal.OSRDestroySpatialReference(lonlat);
    return good;
}

/* The caller's --crs; NULL and "EPSG:4326" need no look at PROJ's data base. */
static akin_status set_named_crs(struct place *place, const char *name, akin_error *err)
{
    if (!name || EQUAL(name, "EPSG:4326"))
        return AKIN_OK;
    OGRSpatialReferenceH crs = gdal.OSRNewSpatialReference(NULL);
    /* No addresses and no files: a reference system by name, code or text. */
    const bool known = crs && strncmp(name, "http", 4) != 0 && strchr(name, '/') == NULL &&
                       gdal.OSRSetFromUserInput(crs, name) == OGRERR_NONE;
    const bool good = known && set_crs(place, crs);
    gdal.OSRDestroySpatialReference(crs);
    return good ? AKIN_OK
                : akin_error_set(err, AKIN_ERR_INVALID,
                                 known ? "the reference system '%s' does not lead to longitude and "
                                         "latitude on Earth"
                                       : "'%s' is not a reference system: give a code such as "
                                         "EPSG:32618",
                                 name);
}

/* ---- from the file ---- */

static bool is_useful(const double t[6])
{
    static const double identity[6] = {0, 1, 0, 0, 0, 1};
    const double area = t[1] * t[5] - t[2] * t[4];
    for (int i = 0; i < 6; i++)
        if (!isfinite(t[i]))
            return false;
    return isfinite(area) && area != 0 && memcmp(t, identity, sizeof identity) != 0 &&
           !(t[0] == 0 && t[1] == 1 && t[2] == 0 && t[3] == 0 && t[4] == 0 && t[5] == -1);
}

/* World files are text beside the image: .wld, or the extension with a w (.jgw, .tfw, .tifw). */
static bool has_world_file(GDALDatasetH dataset)
{
    char **files = gdal.GDALGetFileList(dataset);
    bool found = false;
    for (char **file = files; file && *file && !found; file++) {
        const char *dot = strrchr(*file, '.');
        const size_t length = dot ? strlen(dot) : 0;
        found =
            dot && (EQUAL(dot, ".wld") || (length >= 4 && length <= 6 &&
                                           (dot[length - 1] | 32) == 'w' && !EQUAL(dot, ".raw")));
    }
    gdal.CSLDestroy(files);
    return found;
}

static bool fits_lonlat(const double t[6], double width, double height)
{
    for (int corner = 0; corner < 4; corner++) {
        const double x = corner & 1 ? width : 0, y = corner & 2 ? height : 0;
        const double lon = t[0] + x * t[1] + y * t[2], lat = t[3] + x * t[4] + y * t[5];
        if (!(lon >= -180.5 && lon <= 360.5 && lat >= -90.5 && lat <= 90.5))
            return false;
    }
    return true;
}

/* *found says whether the dataset's geotransform is a place. Without a reference system in the file
 * the caller's --crs holds; a world file without either, whose numbers can be degrees, is in
 * degrees. */
static akin_status try_affine(struct place *place, GDALDatasetH dataset,
                              const struct akin_source_options *options, bool *found,
                              akin_error *err)
{
    *found =
        gdal.GDALGetGeoTransform(dataset, place->affine) == CE_None && is_useful(place->affine);
    if (!*found)
        return AKIN_OK;
    OGRSpatialReferenceH crs = gdal.GDALGetSpatialRef(dataset);
    if (crs) {
        *found = set_crs(place, crs);
        return AKIN_OK;
    }
    if (options->crs)
        return set_named_crs(place, options->crs, err);
    *found = has_world_file(dataset) && fits_lonlat(place->affine, gdal.GDALGetRasterXSize(dataset),
                                                    gdal.GDALGetRasterYSize(dataset));
    return AKIN_OK;
}

/* GCPs in degrees on both sides of the antimeridian are brought to one side: no polynomial goes
 * through a jump of 360. */
static void unwrap_gcps(GDAL_GCP *gcps, int count)
{
    double west = INFINITY, east = -INFINITY;
    for (int i = 0; i < count; i++) {
        west = fmin(west, gcps[i].dfGCPX);
        east = fmax(east, gcps[i].dfGCPX);
    }
    for (int i = 0; i < count && east - west > 180; i++)
        if (gcps[i].dfGCPX < 0)
            gcps[i].dfGCPX += 360;
}

static bool try_gcps(struct place *place, GDALDatasetH dataset)
{
    const int count = gdal.GDALGetGCPCount(dataset);
    OGRSpatialReferenceH crs = gdal.GDALGetGCPSpatialRef(dataset);
    if (count < 3 || !crs || !set_crs(place, crs))
        return false;
    GDAL_GCP *gcps = gdal.GDALDuplicateGCPs(count, gdal.GDALGetGCPs(dataset));
    if (!gcps)
        return false;
    if (gdal.OSRIsGeographic(crs))
        unwrap_gcps(gcps, count);
    place->model = gdal.GDALCreateGCPTransformer(count, gcps, 0, FALSE);
    gdal.GDALDeinitGCPs(count, gcps);
    gdal.VSIFree(gcps);
    return place->model != NULL;
}

static bool try_rpc(struct place *place, GDALDatasetH dataset)
{
    GDALRPCInfoV2 rpc;
    char **metadata = gdal.GDALGetMetadata(dataset, "RPC");
    if (!metadata || !gdal.GDALExtractRPCInfoV2(metadata, &rpc))
        return false;
    place->model = gdal.GDALCreateRPCTransformerV2(&rpc, FALSE, 0.1, NULL);
    return place->model != NULL;
}

akin_status place_from_gdal(struct place **out, void *dataset,
                            const struct akin_source_options *options, akin_error *err)
{
    *out = NULL;
    struct place *place = akin_alloc_zero(1, sizeof *place);
    if (!place)
        return akin_error_memory(err, sizeof *place, "a place");
    bool found;
    const akin_status status = try_affine(place, dataset, options, &found, err);
    if (status == AKIN_OK && !found)
        found = try_gcps(place, dataset) || (!place->to_lonlat && try_rpc(place, dataset));
    if (status == AKIN_OK && found)
        *out = place;
    else
        place_free(place);
    return status;
}

/* ---- from --bbox ---- */

akin_status place_from_options(struct place **out, const struct akin_source_options *options,
                               uint32_t width, uint32_t height, akin_error *err)
{
    *out = NULL;
    const double *box = options->bbox;
    if (isnan(box[0]) && isnan(box[1]) && isnan(box[2]) && isnan(box[3]))
        return AKIN_OK;
    const bool degrees = !options->crs || EQUAL(options->crs, "EPSG:4326");
    double east = box[2];
    if (degrees && east < box[0])
        east += 360;
    if (!(isfinite(box[0]) && isfinite(box[1]) && isfinite(box[3]) && isfinite(east)) ||
        east <= box[0] || box[3] <= box[1])
        return akin_error_set(err, AKIN_ERR_INVALID,
                              "--bbox %g,%g,%g,%g is not west,south,east,north", box[0], box[1],
                              box[2], box[3]);
    akin_status status = degrees ? AKIN_OK : gdal_load(err);
    if (status != AKIN_OK)
        return status;
    struct place *place = akin_alloc_zero(1, sizeof *place);
    if (!place)
        return akin_error_memory(err, sizeof *place, "a place");
    struct gdal_talk talk;
    if (!degrees)
        gdal_listen(&talk);
    status = set_named_crs(place, options->crs, err);
    if (!degrees)
        gdal_hush();
    if (status != AKIN_OK) {
        place_free(place);
        return status;
    }
    const double affine[6] = {box[0], (east - box[0]) / width,   0, box[3],
                              0,      (box[1] - box[3]) / height};
    memcpy(place->affine, affine, sizeof affine);
    *out = place;
    return AKIN_OK;
}

/* ---- use ---- */

/* Longitudes beyond 180 wrap, but 180 itself stays (the east edge of a map of the world); latitudes
 * a little beyond a pole (grids whose cells are centred on it) are the pole. */
static void tidy(double *lon, double *lat)
{
    if (!isfinite(*lon) || !isfinite(*lat) || fabs(*lat) > 91) {
        *lon = *lat = NAN;
        return;
    }
    if (*lon < -180 || *lon > 180)
        *lon = akin_lon_wrap(*lon);
    *lat = fmax(-90, fmin(90, *lat));
}

/* Map coordinates of up to EDGE_POINTS * 4 points; NaN where the model fails. */
static void to_map(const struct place *place, size_t n, double *x, double *y)
{
    if (!place->model) {
        for (size_t i = 0; i < n; i++) {
            const double *t = place->affine, px = x[i], py = y[i];
            x[i] = t[0] + px * t[1] + py * t[2];
            y[i] = t[3] + px * t[4] + py * t[5];
        }
        return;
    }
    double z[EDGE_POINTS * 4] = {0};
    int worked[EDGE_POINTS * 4] = {0};
    gdal.GDALUseTransformer(place->model, FALSE, (int)n, x, y, z, worked);
    for (size_t i = 0; i < n; i++)
        if (!worked[i])
            x[i] = y[i] = NAN;
}

static void some_lonlat(const struct place *place, size_t n, double *x, double *y)
{
    to_map(place, n, x, y);
    if (place->to_lonlat) {
        int worked[EDGE_POINTS * 4] = {0};
        gdal.OCTTransformEx(place->to_lonlat, (int)n, x, y, NULL, worked);
        for (size_t i = 0; i < n; i++)
            if (!worked[i])
                x[i] = y[i] = NAN;
    }
    for (size_t i = 0; i < n; i++)
        tidy(&x[i], &y[i]);
}

void place_lonlat(struct place *place, size_t n, const double *x, const double *y, double *lon_deg,
                  double *lat_deg)
{
    const bool asks_gdal = place->model || place->to_lonlat;
    struct gdal_talk talk;
    if (asks_gdal)
        gdal_listen(&talk);
    if (lon_deg != x)
        memmove(lon_deg, x, n * sizeof *x);
    if (lat_deg != y)
        memmove(lat_deg, y, n * sizeof *y);
    for (size_t i = 0; i < n; i += EDGE_POINTS * 4) {
        const size_t some = n - i < EDGE_POINTS * 4 ? n - i : EDGE_POINTS * 4;
        some_lonlat(place, some, lon_deg + i, lat_deg + i);
    }
    if (asks_gdal)
        gdal_hush();
}

/* The box of those points inside the image that have a place: for an image whose edges (or some of
 * them) look past the globe, such as a geostationary full disk. Longitudes are taken around that of
 * the point nearest to the middle. */
static struct akin_bbox inside_bbox(struct place *place, uint32_t width, uint32_t height)
{
    double lon[GRID_POINTS * GRID_POINTS], lat[GRID_POINTS * GRID_POINTS];
    struct akin_bbox box = akin_bbox_unknown();
    double middle = NAN, nearest = INFINITY, west = INFINITY, east = -INFINITY;
    for (int i = 0; i < GRID_POINTS * GRID_POINTS; i++) {
        lon[i] = width * (i % GRID_POINTS + 0.5) / GRID_POINTS;
        lat[i] = height * (i / GRID_POINTS + 0.5) / GRID_POINTS;
    }
    place_lonlat(place, GRID_POINTS * GRID_POINTS, lon, lat, lon, lat);
    for (int i = 0; i < GRID_POINTS * GRID_POINTS; i++) {
        const double distance =
            hypot(i % GRID_POINTS - GRID_POINTS / 2, i / GRID_POINTS - GRID_POINTS / 2);
        if (!isnan(lon[i]) && distance < nearest) {
            nearest = distance;
            middle = lon[i];
        }
    }
    for (int i = 0; i < GRID_POINTS * GRID_POINTS; i++) {
        if (isnan(lon[i]))
            continue;
        const double from_middle = akin_lon_wrap(lon[i] - middle);
        west = fmin(west, from_middle);
        east = fmax(east, from_middle);
        box.south = fmin(box.south, lat[i]);
        box.north = fmax(box.north, lat[i]);
    }
    if (west <= east) {
        box.west = akin_lon_wrap(middle + west);
        box.east = akin_lon_wrap(middle + east);
    }
    return box;
}

struct akin_bbox place_bbox(struct place *place, uint32_t width, uint32_t height)
{
    double lon[EDGE_POINTS * 4], lat[EDGE_POINTS * 4];
    for (int i = 0; i < EDGE_POINTS; i++) {
        const double along = (double)i / EDGE_POINTS;
        const double x[4] = {along * width, width, width - along * width, 0};
        const double y[4] = {0, along * height, height, height - along * height};
        for (int side = 0; side < 4; side++) {
            lon[side * EDGE_POINTS + i] = x[side];
            lat[side * EDGE_POINTS + i] = y[side];
        }
    }
    place_lonlat(place, EDGE_POINTS * 4, lon, lat, lon, lat);
    const struct akin_bbox ring = akin_bbox_of_ring(lon, lat, EDGE_POINTS * 4);
    for (int i = 0; i < EDGE_POINTS * 4; i++)
        if (isnan(lon[i])) {
            const struct akin_bbox inside = inside_bbox(place, width, height);
            return akin_bbox_known(ring) && akin_bbox_known(inside) ? akin_bbox_union(ring, inside)
                   : akin_bbox_known(ring)                          ? ring
                                                                    : inside;
        }
    return ring;
}
