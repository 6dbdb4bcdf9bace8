#!/bin/sh
# Vectors made elsewhere, in and out: akin import and akin export, search by vectors, and the filters that narrow a search to
# images. kill -9 of an import at AKIN_KILLS random moments (default 20); AKIN_KILL_SEED=N draws the same ones again.
#
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

kills=${AKIN_KILLS:-20}
seed=${AKIN_KILL_SEED:-$(date +%s)}
echo "# AKIN_KILLS=$kills AKIN_KILL_SEED=$seed"
watch=$AKIN_TOOLS/watch

vectors() { "$AKIN_TOOLS/make_vectors" "$@" || fault "make_vectors $*"; }
# answers DIR OPTION...: what a search says, without the address, which differs from file to file.
answers() { "$AKIN" search "$@" --json 2>"$T/err" </dev/null | sed 's/"uri":"[^"]*",//'; }
# draw N HIGH, as in kill.sh.
draw() {
    printf 'kill %s of seed %s' "$1" "$seed" | cksum |
        awk -v high="$2" '{ x = $1 % 2147483646 + 1
                            for (i = 0; i < 5; i++) x = x * 48271 % 2147483647
                            printf "%d\n", x / 2147483647 * high }'
}

faults=0
vectors v.npy 3000 48 1
vectors q.npy 1 48 1 first=7
# Images of ten rows each, labels by the image, all over the globe and over twenty years.
awk 'BEGIN { print "time,uri,label,key,lon,lat,remark"
             for (i = 0; i < 3000; i++)
                 printf "20%02d-%02d,%s/%d.jpg,%s,%d,%.1f,%.1f,\"row, %d\"\n", i % 20, 1 + i % 12, i < 1500 ? "east" : "west",
                     i / 10, substr("abc", int(i / 10) % 3 + 1, 1), i % 10, i * 37 % 3600 / 10 - 180, i * 53 % 1800 / 10 - 90, i }' >v.csv
[ "$faults" = 0 ] || exit 1
"$AKIN" import plain v.npy 2>import.err || { cat import.err; exit 1; }
"$AKIN" import full v.npy --columns v.csv --name clip 2>>import.err || { cat import.err; exit 1; }

test_a_collection_of_vectors() {
    has import.err "imported 3000 vectors of 48 numbers as 'imported' (cosine)" "as 'clip'"
    clean plain
    clean full
    want 0 "$AKIN" status full --json && has out '"tiles":3000' '"embedded":300,' '"name":"clip"'
    want 0 "$AKIN" search plain --vector q.npy -k 3 --json --explain
    has err 'exact scan' '3000 vectors scanned'
    head -n 1 out >first
    has first '"rank":1,"tile":"0000000100000007","score":1,' '/v.npy"' '"key":7'
    want 0 "$AKIN" search plain --tile 0000000100000007 --keep-examples -k 3 --json
    head -n 1 out >second
    same first second 'the row by its vector and by its key'
    want 0 "$AKIN" search full --vector q.npy --vector v.npy --unlike-vector q.npy -k 2
    want 0 "$AKIN" eval full --labels folder --json && has out '"tiles":3000,"classes":3'
    want 1 "$AKIN" search plain --image x.png && has err 'akin has no encoder for pictures; give --vector FILE'
    for command in 'add plain .' 'embed plain --refit' 'train plain'; do
        # shellcheck disable=SC2086 # words
        "$AKIN" $command >out 2>err </dev/null && fault "akin $command works"
        equal "$(lines err)" 1 "lines on stderr of akin $command"
    done
    clean plain
}

test_every_format_gives_the_same() {
    faults_before=$faults
    vectors f.npy 3000 48 1 fortran
    vectors v.fvecs 3000 48 1
    vectors v.safetensors 3000 48 1
    vectors v.bvecs 500 48 1
    [ "$faults" = "$faults_before" ] || return
    answers plain --vector q.npy -k 100 >expected
    equal "$(lines expected)" 100 answers
    for file in f.npy v.fvecs v.safetensors; do
        want 0 "$AKIN" import "of-$file" $file && answers "of-$file" --vector q.npy -k 100 >got && same expected got "$file"
    done
    want 0 "$AKIN" import tensor v.safetensors --tensor emb
    want 2 "$AKIN" import tensor2 v.safetensors --tensor other && has err "no tensor 'other' (it has: emb)"
    [ -e tensor2 ] && fault 'a refused import made a collection'
    want 0 "$AKIN" import bytes v.bvecs --metric l2
    want 0 "$AKIN" search bytes --vector v.bvecs -k 1
}

test_columns_are_filters() {
    want 0 "$AKIN" search full --vector q.npy -k 1 --json
    has out '"uri":"east/0.jpg","bbox":[-154.1,-52.9,-154.1,-52.9],"datetime":"2007-08","label":"a","key":7'
    want 0 "$AKIN" search full --vector q.npy -k 100000 --json && equal "$(lines out)" 3000 'all answers'
    want 0 "$AKIN" search full --vector q.npy -k 100000 --json --source east && equal "$(lines out)" 1500 'of a folder'
    hasnt out west
    want 0 "$AKIN" search full --vector q.npy -k 100000 --json --source east/3.jpg --source 'west/29?.jpg'
    equal "$(lines out)" 110 'of images and a glob'
    want 0 "$AKIN" search full --vector q.npy -k 100000 --json --label b --label c && equal "$(lines out)" 2000 'of two labels'
    want 0 "$AKIN" search full --vector q.npy -k 100000 --json --label b --source west && equal "$(lines out)" 500 'of both'
    hasnt out '"label":"a"'
    want 1 "$AKIN" search full --vector q.npy --label d && has err "no image of the collection has the label 'd'"
    want 1 "$AKIN" search full --vector q.npy --source eas && has err "the source 'eas'"
    want 0 "$AKIN" search full --vector q.npy -k 100000 --json --datetime 2007 && equal "$(lines out)" 150 'of a year'

    # A triangle is half of its box.
    printf '{"type":"Polygon","coordinates":[[[0,0],[60,0],[0,60],[0,0]]]}' >triangle.geojson
    want 0 "$AKIN" search full --vector q.npy -k 100000 --json --bbox 0,0,60,60 && cp out boxed
    want 0 "$AKIN" search full --vector q.npy -k 100000 --json --polygon triangle.geojson && cp out within
    sed 's/.*"bbox":\[\([-0-9.]*\),\([-0-9.]*\),.*/\1 \2/' boxed | awk '$1 + $2 <= 60' | sort >expected
    sed 's/.*"bbox":\[\([-0-9.]*\),\([-0-9.]*\),.*/\1 \2/' within | sort >got
    [ "$(lines got)" -gt 20 ] && [ "$(lines boxed)" -gt "$(lines got)" ] || fault "$(lines got) of $(lines boxed) in the triangle"
    same expected got 'the triangle'
    want 0 "$AKIN" search full --vector q.npy -k 100000 --json --polygon 'POLYGON((0 0,60 0,0 60,0 0))'
    same within out 'the same in well-known text'
    # Over the antimeridian: cut in two, and running past 180.
    want 0 "$AKIN" search full --vector q.npy -k 100000 --json --polygon 'POLYGON((170 -90,190 -90,190 90,170 90,170 -90))' && cp out past
    want 0 "$AKIN" search full --vector q.npy -k 100000 --json --polygon \
        'MULTIPOLYGON(((170 -90,180 -90,180 90,170 90,170 -90)),((-180 -90,-170 -90,-170 90,-180 90,-180 -90)))'
    same past out 'a cut polygon'
    want 0 "$AKIN" search full --vector q.npy -k 100000 --json --bbox 170,-90,-170,90 && same past out 'the box over the antimeridian'
    [ "$(lines past)" -gt 20 ] || fault "only $(lines past) near the antimeridian"
    want 2 "$AKIN" search full --vector q.npy --polygon 'POLYGON((0 0,1 0,1 1))' && has err '3 points'
    want 2 "$AKIN" search full --vector q.npy --polygon nowhere.geojson && has err nowhere.geojson
}

test_columns_from_arrays() {
    vectors keys.npy 3000 columns
    vectors times.npy 3000 columns
    vectors places.npy 3000 columns
    want 0 "$AKIN" import arrays v.npy --keys keys.npy --times times.npy --places places.npy
    clean arrays
    want 0 "$AKIN" search arrays --vector q.npy -k 1 --json
    has out '"tile":"0000000100000016"' '"bbox":[-173,-82,-173,-82],"datetime":"2020-01-08"' '"key":22'
    vectors short-keys.npy 2999 columns
    want 2 "$AKIN" import other v.npy --keys short-keys.npy && has err 'has 2999 keys for 3000 vectors'
    want 2 "$AKIN" import other v.npy --keys v.npy && has err 'has 48 numbers a row; keys take 1'
    want 2 "$AKIN" import other v.npy --keys keys.npy --columns v.csv && has err 'not from both'
    [ -e other ] && fault 'a refused import made a collection'
}

test_distances_and_products() {
    vectors large.npy 500 48 1 scale=40
    vectors query.npy 1 48 1 first=7 scale=40
    want 0 "$AKIN" import l2 large.npy --metric l2 && clean l2
    want 0 "$AKIN" search l2 --vector query.npy -k 2 --json && head -n 1 out >first
    has first '"tile":"0000000100000007"'
    awk -F'"score":' '{ split($2, a, ","); if (a[1] > 0 || (NR == 1 && a[1] < -1) || (NR == 2 && a[1] > -100)) exit 1 }' out ||
        fault "no squared distances: $(cat out)"
    want 0 "$AKIN" search l2 --vector query.npy --threshold -60000 --json && [ "$(lines out)" -gt 20 ] || fault 'no answers by distance'
    want 0 "$AKIN" import dot large.npy --metric dot && clean dot
    want 0 "$AKIN" search dot --vector query.npy -k 1 --json && matches out '"score":[0-9]{4,}'
    want 2 "$AKIN" import dot v.npy --metric l2 && has err "are compared by dot, not l2"
    want 2 "$AKIN" import dot v.npy --metric hamming && has err "cosine, dot or l2, not 'hamming'"
    want 2 "$AKIN" search plain --vector q.npy --threshold 1.5 && has err 'scores are cosines, -1 to 1'
}

test_bad_input() {
    vectors nan.npy 9000 48 1 nan=8500
    want 2 "$AKIN" import bad nan.npy && has err 'row 8500 (counted from 0) holds NaN or infinity'
    clean bad # what was before it is in
    vectors inf.npy 10 48 1 inf=3
    want 2 "$AKIN" import bad inf.npy && has err 'row 3 (counted from 0) holds NaN or infinity'
    vectors zero.npy 10 48 1 zero=9
    want 2 "$AKIN" import bad zero.npy && has err 'row 9 (counted from 0) is all zeros'
    want 0 "$AKIN" import zeros zero.npy --metric dot
    vectors large.npy 10 48 1 scale=1e6
    want 2 "$AKIN" import large large.npy --metric l2 && has err 'row 0 (counted from 0) holds a number above 65504'
    vectors other.npy 10 32 1
    want 2 "$AKIN" import plain other.npy && has err "has vectors of 32 numbers, those of 'plain'"
    want 2 "$AKIN" search plain --vector other.npy && has err "has vectors of 32 numbers, the collection's have 48"
    want 2 "$AKIN" import plain v.npy --name clip && has err "are called 'imported', not 'clip'"
    head -c 300000 v.npy >cut.npy
    want 1 "$AKIN" import none cut.npy && has err 'cut.npy' 'is cut short: 300000 bytes'
    head -c 300000 v.npy >cut.fvecs
    want 1 "$AKIN" import none cut.fvecs
    vectors wide.npy 2 5000 1
    want 1 "$AKIN" import none wide.npy && has err 'of 5000 numbers: up to'
    want 2 "$AKIN" import none v.csv && has err 'is no NPY file, and its name does not end in'
    want 1 "$AKIN" import none absent.npy && has err "absent.npy"
    # Columns are checked to their last row before anything is made.
    sed '2900s/,a,/,a,-/; 2900s/,b,/,b,-/; 2900s/,c,/,c,-/' v.csv >bad.csv
    want 2 "$AKIN" import none v.npy --columns bad.csv && has err "'bad.csv' line 2900: key"
    head -n 2000 v.csv >short.csv
    want 2 "$AKIN" import none v.npy --columns short.csv && has err 'has 1999 rows of columns for 3000 vectors'
    { cat v.csv && tail -n 1 v.csv; } >long.csv
    want 2 "$AKIN" import none v.npy --columns long.csv && has err 'more rows of columns than the 3000 vectors'
    sed '1s/lat/latitude/' v.csv >names.csv
    want 2 "$AKIN" import none v.npy --columns names.csv && has err 'lon and lat go together'
    echo 'a,b' >none.csv
    want 2 "$AKIN" import none v.npy --columns none.csv && has err 'names none of the columns key, uri'
    [ -e none ] && fault 'a refused import made a collection'
    # Not beside imagery, nor imagery beside them.
    picture p.png 64 64 3
    "$AKIN" init imagery 2>/dev/null
    want 0 "$AKIN" add imagery p.png
    want 2 "$AKIN" import imagery v.npy && has err 'holds imagery'
    clean imagery
}

test_again_changed_and_twice() {
    cp v.npy mine.npy
    want 0 "$AKIN" import again mine.npy
    want 0 "$AKIN" import again mine.npy && has err 'nothing to do: all 3000 vectors are in the collection already'
    vectors mine.npy 1000 48 1 first=500
    want 0 "$AKIN" import again mine.npy && has err 'imported 1000 vectors'
    clean again
    want 0 "$AKIN" status again --json && has out '"tiles":1000,' '"embedded":1,' '"dropped":1'
    want 0 "$AKIN" search again --vector v.npy -k 100000 --json && equal "$(lines out)" 1000 'answers of the changed file'
    # A second file is a second image; keys that come twice: the last row counts.
    printf 'key\n5\n5\n6\n' >twice.csv
    vectors three.npy 3 48 2
    want 0 "$AKIN" import again three.npy --columns twice.csv && has err '1 took the place of another one'
    clean again
    want 0 "$AKIN" status again --json && has out '"tiles":1002,'
    vectors last.npy 1 48 2 first=1
    want 0 "$AKIN" search again --vector last.npy -k 1 --json && has out '"score":1,' '"key":5'
    # An image's label, once given, stays.
    printf 'uri,label\nx,a\nx,b\ny,a\n' >labels.csv
    want 2 "$AKIN" import labelled three.npy --columns labels.csv && has err "row 1: 'x' is labelled 'b' here and 'a' before"
    # Labels without addresses: the file stands for an image a label.
    printf 'label\na\nb\na\n' >labels.csv
    want 0 "$AKIN" import labels three.npy --columns labels.csv && clean labels
    want 0 "$AKIN" search labels --vector three.npy --label a --json && equal "$(lines out)" 2 'answers of a label'
    has out 'three.npy#a'
}

test_export_is_what_came_in() {
    want 0 "$AKIN" export full --vectors out.npy --columns out.csv --geojson out.geojson && has err 'exported 3000 tiles'
    equal "$(lines out.csv)" 3001 'lines of the CSV'
    head -n 1 out.csv >head
    has head 'tile,key,begin,end,west,south,east,north,uri,label'
    has out.csv '0000000100000007,7,2007-08-01T00:00:00Z,2007-09-01T00:00:00Z,-154.1000000,-52.9000000,-154.1000000,-52.9000000,east/0.jpg,a'
    "$AKIN_TOOLS/json_valid" <out.geojson >/dev/null 2>err || fault "no JSON: $(cat err)"
    equal "$(grep -c '"type":"Point"' out.geojson)" 3000 'points'
    # Taken in again: the same collection.
    want 0 "$AKIN" import copy out.npy --columns out.csv --name clip && clean copy
    ranking full 0000000100000007 full.json
    ranking copy 0000000100000007 copy.json
    equal "$(lines full.json)" 3000 answers
    same full.json copy.json 'the copy'
    want 0 "$AKIN" export copy --vectors again.npy --columns again.csv && same out.npy again.npy 'vectors' && same out.csv again.csv 'columns'
    want 0 "$AKIN" export full --vectors half.npy --half
    equal "$(($(wc -c <out.npy) - 128))" "$((2 * ($(wc -c <half.npy) - 128)))" 'bytes of halves'
    want 0 "$AKIN" import halved half.npy --columns out.csv && ranking halved 0000000100000007 halved.json && same full.json halved.json 'by halves'
    want 2 "$AKIN" export full && has err 'into which file?'
    want 1 "$AKIN" export full --vectors no/such/folder.npy
    # Of imagery as well.
    picture a.png 64 64 3
    "$AKIN" init pictures 2>/dev/null
    want 0 "$AKIN" add pictures a.png
    want 0 "$AKIN" export pictures --vectors p.npy --columns p.csv && equal "$(lines p.csv)" 2 'lines of one picture'
    want 0 "$AKIN" search pictures --vector p.npy --json && has out '"score":1,'
    hasnt out '"key"'
}

test_many_answers_in_flat_memory() {
    vectors many.npy 60000 16 3
    want 0 "$AKIN" import many many.npy
    "$watch" "$AKIN" search many --vector many.npy -k 20 3>how >out 2>err </dev/null # more rows than a question takes
    has err 'more than 4096 examples'
    vectors one.npy 1 16 3
    "$watch" "$AKIN" search many --vector one.npy -k 20 --json 3>how >out 2>err </dev/null
    read -r _ status _ few <how
    equal "$status $(lines out)" '0 20' 'twenty answers'
    "$watch" "$AKIN" search many --vector one.npy -k 60000 --json 3>how >out 2>err </dev/null
    read -r _ status _ all <how
    equal "$status $(lines out)" '0 60000' 'all answers'
    # 60,000 lines are 9 MB; the answers themselves take 150 bytes each.
    [ "$(wc -c <out)" -gt 8000000 ] || fault 'the answers are fewer bytes than thought'
    [ "$all" -lt $((few + 24000)) ] || fault "$all KB for all answers, $few KB for 20"
    want 0 "$AKIN" search many --vector one.npy --threshold 0.5 --json
    awk -F'"score":' '{ split($2, a, ","); if (a[1] < 0.5) exit 1 }' out || fault 'an answer below the threshold'
    [ "$(lines out)" -gt 1000 ] || fault "$(lines out) answers above 0.5"
    want 0 "$AKIN" search many --vector one.npy --threshold 0.5 -k 7 --json && equal "$(lines out)" 7 'answers where -k says so'
    want 0 "$AKIN" search many --vector one.npy --exact --json && cp out exact
    want 0 "$AKIN" search many --vector one.npy --recall 1 --json && same exact out '--exact and --recall 1'
    want 2 "$AKIN" search many --vector one.npy --recall 0.2 && has err '--recall'
}

test_an_import_that_is_killed_goes_on() {
    vectors big.npy 40000 24 5
    awk 'BEGIN { print "uri,label,key"; for (i = 0; i < 40000; i++) printf "%d/%d,%d,%d\n", i % 7, i / 50, i % 7, i % 50 }' >big.csv
    import() { "$watch" "$@" "$AKIN" import work big.npy --columns big.csv 3>how >out 2>err </dev/null; }
    import
    rm -rf work
    import
    read -r _ _ took _ <how
    ranking work 0000000100000000 undisturbed.json
    equal "$(lines undisturbed.json)" 40000 'answers of the undisturbed one'
    "$AKIN" export work --columns undisturbed.csv 2>err || fault "$(cat err)"
    killed=0 n=0
    while [ $n -lt "$kills" ]; do
        n=$((n + 1))
        rm -rf work
        tries=0 how=killed
        # Every run is killed until one is not.
        while [ "$how" = killed ] && [ $tries -lt 8 ]; do
            tries=$((tries + 1))
            at=$(draw "$n-$tries" "$((took * 2 / 3))")
            import --kill-after "$((at + 1000))"
            read -r _ how _ _ <how
            [ "$how" = killed ] && killed=$((killed + 1))
            [ -e work/collection.sqlite ] && { clean work || fault "after the kill at $at us (kill $n of seed $seed)"; }
        done
        import
        read -r _ how _ _ <how
        equal "$how" 0 "exit status of the last run (kill $n of seed $seed)"
        clean work
        ranking work 0000000100000000 now.json
        "$AKIN" export work --columns now.csv 2>err
        same undisturbed.json now.json "kill $n of seed $seed" && same undisturbed.csv now.csv "columns of kill $n of seed $seed" || break
    done
    [ "$killed" -ge "$((kills / 4))" ] || fault "only $killed of $kills kills hit"
}

run_cases "$@" -- a_collection_of_vectors every_format_gives_the_same columns_are_filters columns_from_arrays \
    distances_and_products bad_input again_changed_and_twice export_is_what_came_in many_answers_in_flat_memory \
    an_import_that_is_killed_goes_on
