#!/bin/sh
# The page of akin serve in a real browser: tests/web/page.mjs. Without Debian's chromium, node, playwright-core (tools/setup test)
# or the page itself (make web): skipped by name.
#
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

servers=
stop_all() { for pid in $servers; do kill "$pid" 2>/dev/null; done; wait 2>/dev/null; }
at_end=stop_all
NPM=${AKIN_NPM:-$ROOT/build/npm}
WEB=${AKIN_WEB:-$ROOT/build/web}

# start NAME: serves the collection; its address in $T/NAME.address.
start() {
    "$AKIN" serve "$1" --listen 127.0.0.1:0 --web "$WEB" >"$1.address" 2>"$1.log" </dev/null &
    servers="$servers $!"
    for try in $(seq 300); do
        [ -s "$1.address" ] && return
        sleep 0.1
    done
    fault "akin serve $1 does not start: $(tail -n 2 "$1.log")"
}

# Two months of a globe that is not ours, and pictures without a place.
make_collections() {
    want 0 "$AKIN" init globe --tile 64 && want 0 "$AKIN" init album
    for month in 1 7; do
        picture "globe-$month.png" 640 320 "$month"
        want 0 "$AKIN" add globe "globe-$month.png" --bbox -180,-90,180,90 --crs EPSG:4326 --datetime "2004-0$month"
    done
    mkdir -p pictures
    for seed in $(seq 24); do picture "pictures/$seed.jpg" 128 96 "$seed"; done
    want 0 "$AKIN" add album pictures
    picture like.jpg 64 64 1
}

test_the_page_in_a_browser() {
    command -v node >/dev/null || { skip 'no node here'; return; }
    [ -x "${CHROMIUM:-/usr/bin/chromium}" ] || { skip 'no chromium here (apt-get install chromium)'; return; }
    [ -d "$NPM/node_modules/playwright-core" ] || { skip 'no playwright-core here (tools/setup test)'; return; }
    [ -f "$WEB/index.html" ] || { skip 'the page is not made (make web)'; return; }
    make_collections
    start globe && start album
    mkdir -p shots
    AKIN_NPM=$NPM node "$ROOT/tests/web/page.mjs" "$(cat globe.address)" "$(cat album.address)" like.jpg shots >page.out 2>page.err
    status=$?
    grep -E '^(#|ok|not ok)' page.out >cases || :
    [ -s cases ] || fault "the browser did not run: $(tail -n 3 page.err)"
    grep -v '^ok' cases | while read -r line; do echo "# ${line#\# }"; done
    [ "$status" = 0 ] || fault "$(grep -c '^not ok' cases) of $(grep -cE '^(not )?ok' cases) cases in the browser failed"
}

run_cases "$@" -- the_page_in_a_browser
