/*
 * Pages: the live rows in the order of their keys, from any key on, so that a collection can be
 * listed a piece at a time by whoever keeps nothing but a key. A segment's run of keys is entered by
 * a binary search; the memtable is asked in full each time and keeps the least.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "handle.h"
#include "zone.h"

struct page {
    struct view *view;
    struct walk *walks;
    const struct akin_filter *filter; /* NULL where everything matches */
};

static akin_status page_begin(struct page *page, uint64_t first, akin_error *err)
{
    const size_t parts = page->view->part_count;
    page->walks = akin_alloc_zero(parts, sizeof *page->walks);
    if (!page->walks)
        return akin_error_memory(err, parts * sizeof *page->walks, "a page of rows");
    akin_status status = AKIN_OK;
    for (size_t i = 0; i < parts && status == AKIN_OK; i++)
        status = walk_begin_at(&page->walks[i], &page->view->parts[i], first, err);
    return status;
}

static void page_fini(struct page *page)
{
    for (size_t i = 0; page->walks && i < page->view->part_count; i++)
        walk_fini(&page->walks[i]);
    akin_free(page->walks);
    view_unref(page->view);
}

akin_status akin_index_page(const akin_index *index, uint64_t first,
                            const struct akin_filter *filter, struct akin_columns *columns,
                            size_t n, size_t *count, uint64_t *next, bool *more, akin_error *err)
{
    if (!n)
        return akin_error_set(err, AKIN_ERR_INVALID, "a page of no rows");
    struct page page = {.view = handle_view(index),
                        .filter = filter_is_open(filter) ? NULL : filter};
    const size_t parts = page.view->part_count;
    akin_status status = page_begin(&page, first, err);
    size_t found = 0, looked = 0, least = parts;
    if (status == AKIN_OK)
        for (; (least = walk_least(page.walks, parts)) < parts; looked++) {
            struct walk *walk = &page.walks[least];
            const struct akin_columns *row = part_columns(walk->part, walk->row);
            if (found == n || looked == AKIN_INDEX_PAGE_ROWS) {
                *next = row->key;
                break;
            }
            if (!page.filter || akin_filter_matches(page.filter, row))
                columns[found++] = *row;
            walk_next(walk);
        }
    if (status == AKIN_OK) {
        *count = found;
        *more = least < parts;
    }
    page_fini(&page);
    return status;
}
