/*
 * GDAL, loaded when the first image needs it. Linked in the usual way it would bring some hundred
 * libraries along at every start: 60 ms before main, for a search or a status that opens no image
 * at all (measured: docs/BENCHMARKS.md). So the functions that we call stand in a table, `gdal`,
 * filled from libgdal.so by its soname at build time; types and constants come from its headers as
 * ever.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef AKIN_SOURCE_GDAL_API_H
#define AKIN_SOURCE_GDAL_API_H

#include <cpl_conv.h>
#include <cpl_error.h>
#include <cpl_string.h>
#include <cpl_vsi.h>
#include <gdal.h>
#include <gdal_alg.h>
#include <ogr_srs_api.h>

#include "akin/core/status.h"

/* clang-format off */
#define GDAL_FUNCTIONS(X)                                                                         \
    X(CPLGetErrorHandlerUserData) X(CPLPopErrorHandler) X(CPLPushErrorHandlerEx)                  \
    X(CPLQuietErrorHandler) X(CPLSetConfigOption) X(CPLSetErrorHandler)                           \
    X(CPLSetThreadLocalConfigOption) X(CSLCount) X(CSLDestroy) X(CSLDuplicate)                    \
    X(CSLFetchNameValue) X(GDALAllRegister) X(GDALClose) X(GDALCreateGCPTransformer)              \
    X(GDALCreateRPCTransformerV2) X(GDALDatasetRasterIOEx) X(GDALDeinitGCPs)                      \
    X(GDALDestroyTransformer) X(GDALDuplicateGCPs) X(GDALExtractRPCInfoV2) X(GDALGetBlockSize)    \
    X(GDALGetColorEntryAsRGB) X(GDALGetColorEntryCount) X(GDALGetDataTypeSizeBytes)               \
    X(GDALGetDatasetDriver) X(GDALGetDescription) X(GDALGetDriver) X(GDALGetDriverCount)          \
    X(GDALGetDriverShortName) X(GDALGetFileList) X(GDALGetGCPCount) X(GDALGetGCPSpatialRef)       \
    X(GDALGetGCPs) X(GDALGetGeoTransform) X(GDALGetMaskBand) X(GDALGetMaskFlags)                  \
    X(GDALGetMetadata) X(GDALGetMetadataItem) X(GDALGetOverview) X(GDALGetOverviewCount)          \
    X(GDALGetRasterBand) X(GDALGetRasterBandXSize) X(GDALGetRasterBandYSize)                      \
    X(GDALGetRasterColorInterpretation) X(GDALGetRasterColorTable) X(GDALGetRasterCount)          \
    X(GDALGetRasterDataType) X(GDALGetRasterXSize) X(GDALGetRasterYSize) X(GDALGetSpatialRef)     \
    X(GDALOpenEx) X(GDALRasterIOEx) X(GDALSetCacheMax64) X(GDALUseTransformer)                    \
    X(OCTDestroyCoordinateTransformation) X(OCTNewCoordinateTransformation) X(OCTTransformEx)     \
    X(OSRClone) X(OSRDestroySpatialReference) X(OSRGetSemiMajor) X(OSRImportFromEPSG)             \
    X(OSRIsGeographic) X(OSRIsLocal) X(OSRIsSame) X(OSRNewSpatialReference)                       \
    X(OSRSetAxisMappingStrategy) X(OSRSetFromUserInput) X(VSIFCloseL) X(VSIFileFromMemBuffer)     \
    X(VSIFree) X(VSIReadDirRecursive) X(VSIStatL) X(VSIUnlink)
/* clang-format on */

struct gdal_api {
#define X(name) __typeof__(&name) name;
    GDAL_FUNCTIONS(X)
#undef X
};
extern struct gdal_api gdal;

/* Fills the table, registers the drivers and settles the settings; once, from any thread.
 * AKIN_ERR_UNSUPPORTED with the install command where libgdal cannot be loaded. Every use of `gdal`
 * comes after one that returned AKIN_OK. */
akin_status gdal_load(akin_error *err);
#endif
