#!/bin/sh
# Real imagery, all of ../shared/data: whatever is readable becomes searchable, every failure is named, memory stays within --ram.
#
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

no_data() {
    [ -d "$SHARED" ] && return 1
    skip 'shared data absent'
}

# What cannot be in a collection of 3 bands: the file that is damaged, and those of 2 bands.
damaged=rasters/rasterio/corrupt.tif
two_bands='rasters/rio-tiler/cog_scale.tif rasters/rio-tiler/cog_scale_epsg4326.tif rasters/rio-tiler/cog_scale_stats.tif'

# The images that a collection names as failed, one a line, without the folder of the data.
failures() {
    "$AKIN" status "$1" --json 2>/dev/null | grep -o '"uri":"[^"]*","reason":"[^"]' |
        sed 's/^"uri":"//; s/","reason":".$//' | sed "s|^$(cd "$SHARED" && pwd)/||" | sort
}
state() { "$AKIN" status "$1" --json 2>/dev/null | sed -n 's/.*"'"$2"'":\([0-9]*\).*/\1/p'; }

test_everything_in_one_collection() {
    no_data && return
    want 0 "$AKIN" init all
    want 1 "$AKIN" add all "$SHARED" --json && matches out '"scenes_failed":4,'
    found=$(json_number out scenes_found)
    failures all >failed
    printf '%s\n' $damaged $two_bands | sort >expected
    same expected failed 'the images that failed'
    while read -r name; do has err "/$name'"; done <expected
    equal "$(state all embedded)" $((found - 4)) 'images embedded'
    [ "$found" -ge 3000 ] || fault "only $found images were found"
    # One row a photograph, and each of a sample finds itself.
    for image in rsscn7/*/[a-z]001.jpg phenomena/cyclones/47.jpg phenomena/smoke_goes.png gibs/california_fire1.jpeg; do
        for file in "$SHARED"/$image; do
            [ -f "$file" ] || continue
            want 0 "$AKIN" search all --image "$file" -k 1 --json && has out "/$(basename "$file")\""
        done
    done
    # Odd places: both sides of the antimeridian, the poles, Mars left alone.
    want 0 "$AKIN" search all --at 10,50 --json && equal "$(lines out)" 20 answers
    want 0 "$AKIN" search all --at 0,-80 -k 3 --html sheet.html && has sheet.html 'data:image/jpeg'
    clean all
    want 1 "$AKIN" add all "$SHARED" && has err 'failed before' && hasnt err 'added 1'
}

test_one_band_takes_all_but_the_damaged() {
    no_data && return
    want 0 "$AKIN" init grey --bands 1 --input 16
    want 1 "$AKIN" add grey "$SHARED/rasters" "$SHARED/multidate" --json && matches out '"scenes_failed":1,'
    failures grey >failed
    equal "$(cat failed)" $damaged 'the image that failed'
    clean grey
}

test_everything_in_small_tiles() {
    no_data && return
    want 0 "$AKIN" init small --tile 64 --overlap 0 --input 16
    want 1 "$AKIN" add small "$SHARED/rasters/rasterio" "$SHARED/phenomena" "$SHARED/gibs" "$SHARED/multidate/naip" --json &&
        matches out '"scenes_failed":1,'
    failures small >failed
    equal "$(cat failed)" $damaged 'the image that failed'
    # What was read of it before the damage stays searchable.
    "$AKIN" search small --image "$SHARED/phenomena/cyclones/47.jpg" -k 100000 --json >out 2>err
    [ "$(lines out)" -gt 10000 ] || fault "$(lines out) answers"
    clean small
}

# 36000x18000 pixels, 2 GB raw: the whole of it within --ram, whatever that is.
test_memory_stays_within_ram() {
    no_data && return
    case $("$AKIN" --version >/dev/null; ldd "$AKIN" 2>/dev/null) in *asan*) skip 'a sanitizer has its own memory'; return ;; esac
    for ram in 700 400; do
        rm -rf big
        want 0 "$AKIN" init big
        "$AKIN_TOOLS/watch" "$AKIN" add big "$SHARED/rasters/rio-tiler/cog_world.tif" --ram ${ram}M -j 2 3>how >out 2>err </dev/null
        read -r _ how _ peak_kb <how
        equal "$how" 0 'exit status'
        echo "# cog_world.tif with --ram ${ram}M: peak $((peak_kb / 1024)) MB"
        [ "$peak_kb" -lt $((ram * 1024)) ] || fault "peak memory $((peak_kb / 1024)) MB with --ram ${ram}M"
        clean big
    done
}

run_cases "$@" -- everything_in_one_collection one_band_takes_all_but_the_damaged everything_in_small_tiles \
    memory_stays_within_ram
