#!/bin/sh
# Bad input: every bad image is named with a reason, everything good is searchable, the exit status says so, nothing is lost.
#
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

tiles() { "$AKIN" status "$1" --json 2>/dev/null | sed -n 's/.*},"tiles":\([0-9]*\),.*/\1/p'; }
# cut FILE NEW SHARE: the first SHARE percent of it.
cut_to() { head -c $(($(wc -c <"$1") * $3 / 100)) "$1" >"$2"; }

# Good pictures, and beside them bad ones of every kind; bad/NAME must fail, odd/NAME must not.
mkdir good bad odd
for i in 1 2 3 4 5 6; do
    picture good/$i.jpg 200 200 $i
    picture good/$i.png 150 210 $((i + 10))
done
cp good/1.jpg good/'it is good too.jpg'
: >bad/zero-bytes.jpg
: >bad/zero-bytes.tif
printf 'This is no picture.\n' >bad/text.jpg
printf 'This is no picture.\n' >bad/text.tif
head -c 5000 /dev/urandom >bad/noise.png
cut_to good/2.jpg bad/header-only.jpg 3
cut_to good/2.png bad/header-only.png 1
cut_to good/3.png bad/half.png 50
cut_to good/3.jpg bad/half.jpg 50
"$AKIN_TOOLS/make_images" bomb bad/bomb.png
"$AKIN_TOOLS/make_images" bomb bad/bomb.jpg
"$AKIN_TOOLS/make_images" bomb bad/bomb.tif
cp good/4.png bad/checksum.png
"$AKIN_TOOLS/make_images" patch bad/checksum.png 400 0 1 2 3 4 5 6 7 8 9
raw bad/nan.img 100 100 3 f32 1 nan
raw bad/inf.img 100 100 3 f32 1 inf
raw bad/short.img 100 100 3 u16 1
cut_to bad/short.img bad/cut.img 10 && mv bad/cut.img bad/short.img
raw bad/two-bands.img 100 100 2 u8 1
mkdir bad/folder.jpg # a folder in spite of its name: nothing in it
cp good/5.jpg odd/jpeg-called.png
cp good/5.png odd/png-called.jpg
picture odd/one-pixel.png 1 1 1
picture odd/one-pixel.jpg 1 1 1
picture odd/one-row.png 300 1 2
picture odd/one-column.jpg 1 300 2
picture odd/black.png 200 200 1 black
picture odd/black.jpg 200 200 1 black
raw odd/constant.img 100 100 3 u16 1 constant
raw odd/no-crs.img 100 100 3 u16 1
bad_names=$(cd bad && ls | grep -vE '\.hdr$|folder')
odd_count=$(ls odd | grep -cv '\.hdr$')

test_bad_files_are_named_and_stop_nothing() {
    want 0 "$AKIN" init c
    want 1 "$AKIN" add c good bad odd
    cp err add.err
    for name in $bad_names; do has add.err "/bad/$name"; done
    grep -F FAILED add.err >last
    has last "$(echo "$bad_names" | wc -w | tr -d ' ') images FAILED"
    for name in good/ odd/; do
        grep -v 'scaled to 8 bits\|^bands:' add.err | grep -F "/$name" >named && fault "good ones are named: $(head -n 1 named)"
    done
    # A reason behind each name, not the name alone.
    for name in $bad_names; do
        grep -v 'scaled to 8 bits' add.err | grep -F "/bad/$name" | head -n 1 | sed "s|.*/bad/$name||" >reason
        [ "$(wc -c <reason)" -gt 12 ] || fault "no reason for $name: $(cat reason)"
    done
    equal "$(tiles c)" $((13 + odd_count)) tiles
    clean c
}

test_everything_good_is_searchable() {
    for image in good/*; do
        want 0 "$AKIN" search c --image "$image" -k 2 --json
        awk -F'"score":' 'NR == 1 { split($2, a, ","); exit !(a[1] > 0.999) }' out || fault "$image does not find itself"
    done
    want 0 "$AKIN" search c --image good/1.jpg -k 100 --json && equal "$(lines out)" $((13 + odd_count)) answers
    for name in $bad_names; do hasnt out "/bad/$name"; done
    hasnt out nan
    # As a question a bad picture is refused with its name.
    for name in $bad_names; do
        "$AKIN" search c --image "bad/$name" >out 2>err </dev/null && fault "$name was taken as a question"
        has err "$name"
        grep -vc '^warning: ' err >refusal
        equal "$(cat refusal)" 1 "lines of the refusal of $name"
    done
    for name in one-pixel.png black.jpg constant.img; do
        want 0 "$AKIN" search c --image odd/$name --json && hasnt out nan && equal "$(lines out)" 20 answers
    done
}

test_failures_are_kept_and_retried() {
    want 0 "$AKIN" status c --json && "$AKIN_TOOLS/json_valid" <out >/dev/null || fault 'status is no JSON'
    for name in $bad_names; do has out "/bad/$name\",\"reason\":\""; done
    # Again: named again, not tried again, nothing else done.
    want 1 "$AKIN" add c good bad odd && has err 'failed before' text.tif && hasnt err 'added 1'
    want 1 "$AKIN" add c bad --retry && has err text.tif
    equal "$(tiles c)" $((13 + odd_count)) 'tiles after a retry'
    # Mended, it goes in.
    cp bad/half.jpg half.was && cp good/3.jpg bad/half.jpg
    want 1 "$AKIN" add c bad good && equal "$(tiles c)" $((14 + odd_count)) 'tiles with one mended'
    want 0 "$AKIN" search c --image good/3.jpg -k 3 --json && has out bad/half.jpg
    clean c
    # Broken afterwards, it fails and is named; the collection stays whole.
    cp half.was bad/half.jpg
    want 1 "$AKIN" add c bad good && has err bad/half.jpg
    clean c
}

test_only_bad_files() {
    want 0 "$AKIN" init n
    want 1 "$AKIN" add n bad/text.jpg bad/noise.png bad/zero-bytes.tif && has err text.jpg noise.png zero-bytes.tif
    clean n
    want 1 "$AKIN" search n --image good/1.jpg && has err 'akin add'
    want 0 "$AKIN" add n good/1.jpg && equal "$(tiles n)" 1 tiles
    mkdir nothing
    want 0 "$AKIN" add n nothing && equal "$(tiles n)" 1 tiles
    clean n
}

# Cut into tiles the same damage must keep what was read before it, or nothing: never half a tile.
test_bad_files_in_tiles() {
    want 0 "$AKIN" init t --tile 32
    want 1 "$AKIN" add t good bad odd --bbox 0,0,10,10
    for name in $bad_names; do has err "/bad/$name"; done
    hasnt err '/good/'
    clean t
    want 0 "$AKIN" search t --image good/1.jpg -k 100000 --json
    for image in good/*; do has out "$image"; done
}

test_all_black_and_all_missing() {
    want 0 "$AKIN" init b --tile 64
    picture black.png 256 256 1 black
    picture fine.png 256 256 1
    want 0 "$AKIN" add b black.png fine.png --bbox 0,0,1,1 && has err skipped # with a place, black is missing
    want 0 "$AKIN" search b --image fine.png -k 1000 --json && hasnt out black.png && has out fine.png
    clean b
    want 0 "$AKIN" init k --tile 64 --keep-black
    want 0 "$AKIN" add k black.png --bbox 0,0,1,1 && hasnt err skipped && equal "$(tiles k)" 49 tiles
    want 0 "$AKIN" search k --image fine.png --json && hasnt out nan
    clean k
    want 0 "$AKIN" init o --tile 64 && want 0 "$AKIN" add o black.png --bbox 0,0,1,1 && equal "$(tiles o)" 0 tiles
    clean o
    want 0 "$AKIN" add o fine.png --bbox 0,0,1,1 && equal "$(tiles o)" 49 tiles
    clean o
}

test_crs_and_bbox_that_make_no_sense() {
    want 0 "$AKIN" init p --tile 64
    "$AKIN" add p good/1.jpg --bbox 0,0,1,1 --crs EPSG:999999 >out 2>err && fault 'a CRS that is none was taken'
    has err 999999
    "$AKIN" add p good/2.jpg --bbox 5,5,5,5 >out 2>err && fault 'a box without a size was taken'
    clean p
}

test_files_that_vanish() {
    mkdir going
    i=0
    while [ $((i += 1)) -le 60 ]; do picture going/$i.jpg 300 300 $i; done
    want 0 "$AKIN" init v
    "$AKIN" add v going 2>add.err >out &
    writer=$!
    while [ "$(cat v/lock 2>/dev/null)" != $writer ]; do sleep 0.002; done
    i=0
    while [ $((i += 2)) -le 60 ]; do rm going/$i.jpg; done
    wait $writer
    got=$?
    named=$(grep -c '/going/.*\.jpg' add.err)
    [ $got = 0 ] || [ "$named" -ge 1 ] || fault "exit $got and nothing named: $(tail -n 2 add.err)"
    [ $got -le 1 ] || fault "exit status $got"
    clean v
    "$AKIN" add v going >out 2>err
    i=-1
    while [ $((i += 2)) -le 59 ]; do
        "$AKIN" search v --image going/$i.jpg -k 1 --json 2>/dev/null | grep -qF "/going/$i.jpg\"" || fault "$i.jpg is not there"
    done
    "$AKIN" add v going --drop-missing >out 2>err
    equal "$(tiles v)" 30 'tiles when those gone are dropped'
    clean v
    want 0 "$AKIN" add v going && has err 'nothing to do'
}

test_links() {
    mkdir -p links/a/b
    cp good/1.jpg links/a/one.jpg
    cp good/2.jpg links/a/b/two.jpg
    ln -s .. links/a/up
    ln -s "$T/links" links/a/b/root
    ln -s self links/self
    ln -s nowhere.jpg links/dangling.jpg
    ln -s ../good/3.jpg links/three.jpg
    want 0 "$AKIN" init l
    want 1 "$AKIN" add l links && has err dangling.jpg self
    equal "$(tiles l)" 3 tiles
    clean l
}

test_folders_without_rights() {
    [ "$(id -u)" = 0 ] || { skip 'needs root, to become nobody'; return; }
    nobody='setpriv --reuid=65534 --regid=65534 --clear-groups'
    chmod 755 "$T"
    $nobody "$AKIN" --version >/dev/null 2>&1 || { skip "nobody cannot run $AKIN here"; return; }
    mkdir -p rights/open rights/shut && cp good/1.jpg rights/open && cp good/2.jpg rights/shut && chmod 000 rights/shut
    mkdir -m 777 theirs
    want 0 $nobody "$AKIN" init theirs/c
    want 1 $nobody "$AKIN" add theirs/c rights && has err rights/shut
    equal "$(tiles theirs/c)" 1 tiles
    clean theirs/c
}

run_cases "$@" -- bad_files_are_named_and_stop_nothing everything_good_is_searchable failures_are_kept_and_retried \
    only_bad_files bad_files_in_tiles all_black_and_all_missing crs_and_bbox_that_make_no_sense files_that_vanish links \
    folders_without_rights
