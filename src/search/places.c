/*
 * Which answers share a place. An answer belongs to a better one when its centre is less than half
 * of that one's width and height away. Places are listed by the degree of latitude that their
 * centre is in, and only the degrees within the tallest reach are looked at, so that an answer is
 * compared with its neighbours instead of with all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "places.h"

#include <math.h>

#define BANDS 181
/* Neighbours of a grid with half overlap lie exactly half a tile apart and are places of their own,
 * whatever 1e-7 degrees of rounding make of it. */
#define HALF (0.5 * 0.999)

struct place {
    double lon, lat, reach_lon, reach_lat; /* degrees */
    uint32_t next;                         /* in its band, + 1; 0 = none */
};

static size_t band_of(double lat)
{
    double band = floor(lat) + 90;
    return band <= 0 ? 0 : band >= BANDS - 1 ? BANDS - 1 : (size_t)band;
}

akin_status places_begin(struct places *places, struct akin_answer *answers, size_t max,
                         akin_error *err)
{
    *places = (struct places){.answers = answers, .max = max};
    places->list = akin_alloc(max, sizeof *places->list);
    places->bands = akin_alloc_zero(BANDS, sizeof *places->bands);
    if (places->list && places->bands)
        return AKIN_OK;
    places_fini(places);
    return akin_error_memory(err, max * sizeof *places->list, "places");
}

void places_fini(struct places *places)
{
    akin_free(places->list);
    akin_free(places->bands);
    places->list = NULL;
    places->bands = NULL;
}

static bool holds(const struct place *place, double lon, double lat)
{
    return fabs(akin_lon_wrap(lon - place->lon)) < place->reach_lon &&
           fabs(lat - place->lat) < place->reach_lat;
}

/* The best place that holds the point, by rank; places->count where none does. */
static size_t find(const struct places *places, double lon, double lat)
{
    const size_t last = band_of(lat + places->tallest);
    size_t best = places->count;
    for (size_t band = band_of(lat - places->tallest); band <= last; band++)
        for (uint32_t at = places->bands[band]; at; at = places->list[at - 1].next)
            if (at - 1 < best && holds(&places->list[at - 1], lon, lat))
                best = at - 1;
    return best;
}

static void open_place(struct places *places, const struct akin_answer *answer, double lon,
                       double lat)
{
    struct place *place = &places->list[places->count];
    const struct akin_bbox box = akin_columns_bbox(&answer->columns);
    *place = (struct place){.lon = lon,
                            .lat = lat,
                            .reach_lon = HALF * akin_bbox_width_deg(box),
                            .reach_lat = HALF * (box.north - box.south)};
    places->tallest = fmax(places->tallest, place->reach_lat);
    uint32_t *band = &places->bands[band_of(lat)];
    place->next = *band;
    *band = (uint32_t)places->count + 1;
}

void places_add(struct places *places, const struct akin_answer *answer)
{
    const struct akin_bbox box = akin_columns_bbox(&answer->columns);
    const bool known = akin_bbox_known(box);
    double lon = NAN, lat = NAN;
    if (known) {
        akin_bbox_center(box, &lon, &lat);
        size_t at = find(places, lon, lat);
        if (at < places->count) {
            places->answers[at].collapsed++;
            return;
        }
    }
    if (places->count == places->max)
        return;
    if (known)
        open_place(places, answer, lon, lat);
    places->answers[places->count++] = *answer;
}
