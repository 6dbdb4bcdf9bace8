#!/bin/sh
# The command line from end to end on made-up pictures: what a newcomer does, what the options promise, what they refuse.
#
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

json_lines_valid() { "$AKIN_TOOLS/json_valid" --lines <"$1" 2>&1; }
json_valid() { "$AKIN_TOOLS/json_valid" <"$1" >/dev/null 2>"$T/json.err" || fault "$1: $(cat "$T/json.err")"; }
# above FILE SCORE: the first line's score.
above() {
    awk -v least="$2" -F'"score":' 'NR == 1 { split($2, a, ","); exit !(a[1] > least) }' "$1" ||
        fault "the first score is not above $2: $(head -n 1 "$1")"
}
tiles() {
    "$AKIN" status "$1" --json >"$T/status.json" 2>/dev/null
    sed -n 's/.*},"tiles":\([0-9]*\),.*/\1/p' "$T/status.json"
}
# Everything in a collection but what SQLite's readers leave beside the catalogue.
sums() { find "$1" -type f ! -name '*-shm' ! -name '*-wal' -exec cksum {} + | sort; }

# Twelve photographs in three folders, and a collection of them.
mkdir photos photos/cells photos/dots photos/stripes
for i in 1 2 3 4; do
    faults=0
    picture "photos/cells/$i.jpg" 200 150 $((i * 6 + 1))
    picture "photos/dots/$i.png" 180 180 $((i * 6 + 5))
    picture "photos/stripes/$i.jpg" 160 200 $((i * 6))
    [ "$faults" = 0 ] || exit 1
done
"$AKIN" init c 2>/dev/null
"$AKIN" add c photos 2>add.err || { cat add.err; exit 1; }

# A place three times and another one once, cut into tiles: the catalogue "w".
picture north_2020-01-05.png 256 192 7
picture north_2020-07-05.png 256 192 8
picture north_2021-01-05.png 256 192 13 gaps
picture south_2020-01-05.png 256 192 9
"$AKIN" init w --tile 64 2>/dev/null
for name in north_2020-01-05 north_2020-07-05 north_2021-01-05; do
    "$AKIN" add w $name.png --bbox 0,40,10,50 2>>add.err
done
"$AKIN" add w south_2020-01-05.png --bbox 170,-50,-170,-40 2>>add.err || { cat add.err; exit 1; }

test_help() {
    want 0 "$AKIN" --help && has out usage && equal "$(lines err)" 0 'lines on stderr'
    for command in $("$AKIN" --help | sed -n 's/^  \([a-z]*\)  *.*/\1/p'); do
        want 0 "$AKIN" "$command" --help && has out "usage: akin $command" 'options:'
        equal "$(lines err)" 0 "lines on stderr of $command --help"
        cp out help1
        want 0 "$AKIN" "$command" -h && same out help1 "-h and --help of $command"
    done
    want 0 "$AKIN" --version && matches out '^akin [0-9]+\.[0-9]+'
}

test_misuse() {
    # A line of arguments each; the marks around a value are the shell's.
    while IFS= read -r line; do
        eval "want 2 \"\$AKIN\" $line"
        equal "$(lines out)" 0 "lines on stdout of: akin $line"
        equal "$(lines err)" 1 "lines on stderr of: akin $line"
    done <<'LINES'
nonsense
init
init a b
init x --tile 7
init x --tile 64px
init x --tile
init x --overlap 0.95
init x --overlap nan
init x --bands 0
init x --no-chips=yes
init x --nonsense
add
add c
add c photos --bbox 1,2,3
add c photos --bbox 1,2,3,4,5
add c photos --datetime yesterday
add c photos -j 0
add c photos -j 1e3
add c photos --ram 2Q
search
search c
search c photos/cells/1.jpg
search c --tile 12
search c --tile 000000010000000g
search c --at 200,0
search c --at 10
search c --at 10,20,never
search c --image photos/cells/1.jpg -k 0
search c --image photos/cells/1.jpg -k 100001
search c --image photos/cells/1.jpg --bbox 0,10,20,5
search c --image photos/cells/1.jpg --collapse time
search c --image photos/cells/1.jpg --threshold 1.5
search c --unlike-image photos/cells/1.jpg
search c --image photos/cells/1.jpg --recall 0.4
search c --image photos/cells/1.jpg --recall 1.1
search c --image photos/cells/1.jpg --source ''
search c --image photos/cells/1.jpg --polygon 'POLYGON((0 0,1 0,1 1,0 1))'
search c --image photos/cells/1.jpg --polygon add.err
search c --vector add.err
import
import x
import x v.npy w.npy
import x v.npy --metric l3
import x v.npy --name a/b
import x photos/cells/1.jpg
export
export c
export c d --vectors v.npy
eval
eval c d
status
status c d
verify
verify c --nonsense
embed c
embed c --refit --model x
LINES
    want 2 "$AKIN" && has err usage
    [ ! -e x ] || fault 'a misused init made a folder'
}

test_add_again_does_nothing() {
    equal "$(tiles c)" 12 tiles
    sums c >before
    want 0 "$AKIN" add c photos && has err 'nothing to do' 12
    sums c >after
    same before after 'the collection before and after'
    want 0 "$AKIN" add c photos/cells photos/cells/1.jpg 'photos/dots/*.png' && has err 'nothing to do'
    want 0 "$AKIN" add c photos --json && json_valid out && has out '"scenes_unchanged":12' '"tiles_added":0'
}

test_an_image_finds_itself() {
    for image in photos/*/*; do
        want 0 "$AKIN" search c --image "$image" -k 1 --json && has out "/$image\"" && above out 0.999
    done
    # The file elsewhere and under another name is the same picture.
    cp photos/cells/3.jpg elsewhere.jpg
    want 0 "$AKIN" search c --image elsewhere.jpg -k 1 --json && has out '/photos/cells/3.jpg"' && above out 0.999
    want 0 "$AKIN" search c --image photos/cells/1.jpg && equal "$(lines out)" 12 answers &&
        matches out '^   1  (0\.999|1\.000)'
}

test_tiles_as_examples() {
    key=$(first_key c photos/dots/2.png)
    want 0 "$AKIN" search c --tile "$key" -k 3 --json && equal "$(lines out)" 3 answers &&
        hasnt out "\"tile\":\"$key\"" && has out '"label":"dots"'
    want 0 "$AKIN" search c --tile "$key" --keep-examples -k 1 --json && has out "\"tile\":\"$key\"" && above out 0.999
    want 1 "$AKIN" search c --tile ffffffff00000000 && has err ffffffff00000000
}

test_unlikes() {
    want 0 "$AKIN" search c --image photos/cells/1.jpg --unlike-image photos/dots/1.png --json
    hasnt out '"score":1,' # no longer the picture's own vector
    tail -n 4 out >last
    equal "$(grep -c '"label":"dots"' last)" 4 'dots among the last four'
    cell=$(first_key c photos/cells/1.jpg) stripe=$(first_key c photos/stripes/1.jpg)
    want 0 "$AKIN" search c --tile "$cell" --unlike-tile "$stripe" --json && equal "$(lines out)" 10 answers &&
        has out '"label":"cells"'
    head -n 1 out >best
    has best '"label":"cells"'
    want 0 "$AKIN" search w --at 5,45 --unlike-at 180,-45 --json && equal "$(lines out)" 20 answers
}

test_points() {
    # The latest there; the one of that time; the one across the antimeridian.
    want 0 "$AKIN" search w --at 5,45 -k 1 --keep-examples --json && has out 2021-01-05
    want 0 "$AKIN" search w --at 5,45,2020-07 -k 1 --keep-examples --json && has out 2020-07-05 && above out 0.999
    want 0 "$AKIN" search w --at 179,-45 -k 1 --keep-examples --json && has out south
    want 0 "$AKIN" search w --at -179,-45 -k 1 --keep-examples --json && has out south
    want 1 "$AKIN" search w --at 60,0 && matches err '60'
    want 1 "$AKIN" search c --at 5,45 # photographs have no place
}

test_counts_and_threshold() {
    want 0 "$AKIN" search c --image photos/cells/1.jpg -k 5 --json && equal "$(lines out)" 5 answers
    want 0 "$AKIN" search c --image photos/cells/1.jpg -k5 --json && equal "$(lines out)" 5 answers
    want 0 "$AKIN" search c --image photos/cells/1.jpg --count=100000 --json && equal "$(lines out)" 12 answers
    want 0 "$AKIN" search c --image photos/cells/1.jpg --threshold 0.998 --json && equal "$(lines out)" 1 answers
    want 0 "$AKIN" search c --image photos/cells/1.jpg --threshold 1 --bbox 0,0,1,1 --json && equal "$(lines out)" 0 answers
    "$AKIN" search c --image photos/cells/1.jpg -k 100 --json >long 2>/dev/null
    "$AKIN" search c --image photos/cells/1.jpg -k 7 --json >short 2>/dev/null
    head -n 7 long >long7
    same long7 short 'a short answer is the head of a long one'
}

test_filters() {
    total=$(tiles w)
    want 0 "$AKIN" search w --image north_2020-01-05.png -k 1000 --keep-examples --json && equal "$(lines out)" "$total" answers
    want 0 "$AKIN" search w --image north_2020-01-05.png -k 1000 --bbox 0,40,10,50 --json &&
        hasnt out south && has out north
    want 0 "$AKIN" search w --image north_2020-01-05.png -k 1000 --bbox 175,-60,-175,0 --json &&
        hasnt out north && has out south
    want 0 "$AKIN" search w --image north_2020-01-05.png -k 1000 --bbox 20,0,30,5 --json && equal "$(lines out)" 0 answers
    want 0 "$AKIN" search w --image north_2020-01-05.png -k 1000 --datetime 2020-07 --json &&
        equal "$(lines out)" "$(grep -c 2020-07-05 out)" 'answers of July' && has out north_2020-07
    want 0 "$AKIN" search w --image north_2020-01-05.png -k 1000 --datetime ../2020-06 --json &&
        hasnt out 2020-07-05 && hasnt out 2021 && has out 2020-01-05
    want 0 "$AKIN" search w --image north_2020-01-05.png -k 1000 --datetime 2021/.. --json && hasnt out '"2020'
    want 0 "$AKIN" search w --image north_2020-01-05.png -k 1000 --max-gap 0 --json
    has out north_2020 north_2021
    [ "$(lines out)" -le $((total - 10)) ] || fault "--max-gap 0 left $(lines out) of $total"
    want 0 "$AKIN" search w --image north_2020-01-05.png -k 1000 --min-texture 127 --json && equal "$(lines out)" 0 answers
    want 0 "$AKIN" search w --image north_2020-01-05.png -k 1000 --max-nodata 0 --json && has out north_2020
}

test_collapse_place() {
    want 0 "$AKIN" search w --image north_2020-01-05.png -k 1000 --keep-examples --collapse place --json
    sed 's/.*"bbox":\(\[[^]]*\]\).*/\1/' out | sort | uniq -d >twice
    equal "$(lines twice)" 0 'places given twice'
    has out north south
    "$AKIN" search w --image north_2020-01-05.png -k 1000 --keep-examples --json >all 2>/dev/null
    [ "$(lines out)" -lt "$(lines all)" ] || fault 'nothing was collapsed'
}

test_json_lines() {
    number='-?[0-9]+(\.[0-9]+)?(e-?[0-9]+)?'
    want 0 "$AKIN" search w --at 5,45 -k 9 --json && equal "$(json_lines_valid out)" 9 'valid lines'
    matches out "^\{\"rank\":1,\"tile\":\"[0-9a-f]{16}\",\"score\":$number,\"uri\":\"/[^\"]*\",\"bbox\":\[$number,$number,$number,$number\],\"datetime\":\"2020-01-05\",\"label\":null\}\$|2020-07-05|2021-01-05"
    equal "$(grep -vcE "^\{\"rank\":[0-9]+,\"tile\":\"[0-9a-f]{16}\",\"score\":$number,\"uri\":\"/[^\"]*\",\"bbox\":\[$number,$number,$number,$number\],\"datetime\":\"[^\"]+\",\"label\":null\}\$" out)" 0 'lines of another form'
    want 0 "$AKIN" search c --image photos/cells/1.jpg -k 12 --json
    equal "$(grep -vcE "^\{\"rank\":[0-9]+,\"tile\":\"[0-9a-f]{16}\",\"score\":$number,\"uri\":\"/[^\"]*\",\"bbox\":null,\"datetime\":null,\"label\":\"(cells|dots|stripes)\"\}\$" out)" 0 'lines of another form'
    sed 's/.*"rank":\([0-9]*\),.*/\1/' out >ranks
    equal "$(tr '\n' ' ' <ranks)" '1 2 3 4 5 6 7 8 9 10 11 12 ' ranks
    sed 's/.*"score":\([^,]*\),.*/\1/' out >scores
    sort -gr scores | cmp -s - scores || fault 'the scores do not go down'
}

test_geojson() {
    want 0 "$AKIN" search w --image south_2020-01-05.png -k 50 --keep-examples --geojson && json_valid out
    has out '"type":"FeatureCollection"' '"type":"Feature"' '"type":"Polygon"' '"properties":{'
    equal "$(grep -o '"type":"Feature"' out | wc -l | tr -d ' ')" 50 features
    has out '"type":"MultiPolygon"' # those on the antimeridian are cut
    want 0 "$AKIN" search c --image photos/cells/1.jpg -k 2 --geojson && json_valid out && has out '"geometry":null'
    want 0 "$AKIN" search c --image photos/cells/1.jpg --bbox 0,0,1,1 --geojson && json_valid out && has out '"features":['
}

test_html_sheet() {
    want 0 "$AKIN" search w --image north_2020-01-05.png -k 8 --html sheet.html --json && equal "$(lines out)" 8 answers
    [ -s sheet.html ] || fault 'no sheet'
    grep -qiE '(src|href|data|action)="?(https?:)?//|url\(["'"'"']?https?:|<script|<link|@import' sheet.html && fault 'the sheet asks the network'
    has sheet.html '<html' '</html>' 'data:image/jpeg;base64,' 2020
    picture '<b>&".jpg' 64 64 1
    want 0 "$AKIN" init h && want 0 "$AKIN" add h '<b>&".jpg' &&
        want 0 "$AKIN" search h --image '<b>&".jpg' --keep-examples --html sheet.html && hasnt sheet.html '<b>&'
    want 1 "$AKIN" search c --image photos/cells/1.jpg --html no/such/folder.html && has err no/such
}

test_where_inside() {
    want 0 "$AKIN" search c --image photos/cells/1.jpg -k 7 --where heat.png && equal "$(lines out)" 7 answers
    "$AKIN" init heat >out 2>err && want 0 "$AKIN" add heat heat.png || fault 'heat.png is no picture'
    want 0 "$AKIN" search c --image photos/cells/1.jpg -k 3 --where heat.npy
    equal "$(wc -c <heat.npy | tr -d ' ')" $((128 + 3 * 8 * 8 * 4)) 'bytes of heat.npy'
    matches heat.npy "'shape': \\(3, 8, 8\\)"
    want 0 "$AKIN" search c --image photos/cells/1.jpg --datetime 1900 --where none.png && has err 'not written'
    [ ! -e none.png ] || fault 'a picture of nothing'
    want 1 "$AKIN" search c --image photos/cells/1.jpg --where no/such/heat.png && has err no/such
    rm -rf broken && cp -r c broken
    pack=broken/chips/0000000000000001.pack
    "$AKIN_TOOLS/make_images" patch $pack $(($(wc -c <$pack) / 2)) 0x5A 0xA5 0x5A 0x3C || fault patch
    want 0 "$AKIN" search broken --image photos/cells/1.jpg --keep-examples --where heat.npy && has err 'is left out of --where'
    matches heat.npy "'shape': \\(11, 8, 8\\)"
}

test_eval() {
    want 0 "$AKIN" eval c --json && json_valid out
    matches out '^\{"tiles":12,"classes":3,"p_at_1":[0-9.]+,"p_at_10":[0-9.]+,"map":[0-9.]+,"knn5":[0-9.]+,"model":"instant"\}$'
    awk -F'"p_at_1":' '{ exit !($2 + 0 > 0.6) }' out || fault "pictures of one texture are not alike: $(cat out)"
    want 0 "$AKIN" eval c --labels folder && has out 'precision@1' mAP
    (for f in photos/*/*; do echo "${f#photos/},$(echo "$f" | sed 's/.*\([13]\)\..*/odd/; t; s/.*/even/')"; done) >labels.csv
    want 0 "$AKIN" eval c --labels labels.csv --json && has out '"tiles":12,"classes":2,'
    want 1 "$AKIN" eval c --labels none.csv && has err none.csv
    printf 'a.jpg,x,y\n' >three.csv
    "$AKIN" eval c --labels three.csv >out 2>err && fault 'three fields were taken'
    has err three.csv
}

test_status_and_verify() {
    want 0 "$AKIN" status c --json && json_valid out && has out '"embedded":12' '"failed":0' '"tiles":12,' \
        '"models":["instant"]' '"model":"instant"' '"rows":12' '"dim":224' '"failures":[]'
    want 0 "$AKIN" status c && has out '12 embedded' instant
    clean c
    clean w
    want 0 "$AKIN" verify c --json && has out '{"faults":0}'
    want 0 "$AKIN" verify c -q && equal "$(lines out)" 0 'lines of a quiet verify'
}

test_damage_is_found() {
    for what in chips/0000000000000001.pack models/instant/weights.bin models/instant/card.json \
        index/instant/MANIFEST collection.sqlite; do
        rm -rf broken
        cp -r c broken
        # The catalogue has no checksums of its own: there it is the head of a page of the database.
        at=$(($(wc -c <broken/$what) / 2))
        [ $what = collection.sqlite ] && at=4096
        "$AKIN_TOOLS/make_images" patch broken/$what $at 0x5A 0xA5 0x5A 0x3C || fault patch
        "$AKIN" verify broken >out 2>err && fault "damage in the middle of $what was not found"
        cat out err >both
        has both "$(basename $what .sqlite)"
    done
}

# What is lost is named, and comes again with its image.
test_repair() {
    rm -rf broken
    cp -r c broken
    log=$(ls broken/index/instant/log-*.wal)
    "$AKIN_TOOLS/make_images" patch "$log" $(($(wc -c <"$log") / 2)) 0x5A 0xA5 0x5A 0x3C || fault patch
    "$AKIN" verify broken --repair >out 2>err && fault 'a copy of the damaged log is no fault'
    has out 'akin add takes it again' 'set aside'
    rm broken/index/instant/*.damaged
    want 0 "$AKIN" verify broken && want 0 "$AKIN" add broken photos
    want 0 "$AKIN" status broken --json && has out '"embedded":12' '"rows":12'
    want 0 "$AKIN" verify broken --repair && clean broken
}

test_refit() {
    cp -r c r
    want 0 "$AKIN" embed r --refit && has err instant-2
    want 0 "$AKIN" status r --json && has out '"model":"instant-2"' '"models":["instant","instant-2"]' '"rows":12'
    clean r
    want 0 "$AKIN" search r --image photos/cells/1.jpg -k 1 --json && has out photos/cells/1.jpg && above out 0.99
    want 0 "$AKIN" search r --model instant --image photos/cells/1.jpg -k 1 --json && has out photos/cells/1.jpg
    want 0 "$AKIN" embed r --model instant && want 0 "$AKIN" status r --json && has out '"model":"instant"'
    want 0 "$AKIN" embed r --model instant && has err 'encoder already: 12 of 12 tiles, 0 of them new'
    picture more.jpg 300 300 77
    want 0 "$AKIN" add r more.jpg
    want 0 "$AKIN" search r --model instant-2 --tile 0000000100000000 &&
        has err "'instant-2' has embedded 12 of 13 tiles" --keep-default
    want 0 "$AKIN" search r --tile 0000000100000000 && equal "$(cat err)" '' 'talk where all is embedded'
    want 0 "$AKIN" status r --json && json_valid out && has out '"encoders":[{"name":"instant","default":true,"dim":224,"tiles":13},' \
        '{"name":"instant-2","default":false,"dim":224,"tiles":12}]'
    want 0 "$AKIN" status r && has out 'instant: 13 tiles in 224 values (default)' 'instant-2: 12 tiles in 224 values'
    want 0 "$AKIN" embed r --model instant-2 --keep-default &&
        has err 'stays: 13 of 13 tiles, 1 of them new' && want 0 "$AKIN" status r --json && has out '"model":"instant"'
    cp -r r/models/instant-2 r/models/fresh && sed -i 's/"instant-2"/"fresh"/' r/models/fresh/card.json
    want 0 "$AKIN" status r && has out 'fresh: nothing embedded yet'
    want 0 "$AKIN" eval r --all && equal "$(lines out)" 3 'lines of a table of two' && matches out '^instant  .* 12 .*  [01]\.[0-9]+$' &&
        matches out '^instant-2  .* 12 ' && has err "'akin embed r --model fresh'"
    want 0 "$AKIN" eval r --model instant-2 --model instant --json && equal "$(lines out)" 2 'lines of JSON' &&
        has out '"model":"instant-2"}' '"model":"instant"}'
    want 1 "$AKIN" eval r --model fresh && has err 'embed r --model fresh'
    want 2 "$AKIN" eval r --model instant --all && has err 'either --model or --all'
    want 1 "$AKIN" embed r --model nobody && has err nobody instant-2
    want 0 "$AKIN" init bare --no-chips && want 0 "$AKIN" add bare photos/cells && want 1 "$AKIN" embed bare --refit &&
        has err --no-chips
}

test_a_changed_file_replaces_its_tiles() {
    cp -r photos changing
    want 0 "$AKIN" init v && want 0 "$AKIN" add v changing
    cp changing/cells/2.jpg old.jpg
    picture changing/cells/2.jpg 300 300 500
    want 0 "$AKIN" add v changing && has err changed
    equal "$(tiles v)" 12 tiles
    want 0 "$AKIN" search v --image changing/cells/2.jpg -k 1 --json && has out cells/2.jpg && above out 0.999
    want 0 "$AKIN" search v --image old.jpg -k 1 --threshold 0.999 --json && equal "$(lines out)" 0 'answers like the old picture'
    clean v
    want 0 "$AKIN" add v changing && has err 'nothing to do'
}

test_drop_missing() {
    cp -r photos leaving
    want 0 "$AKIN" init d && want 0 "$AKIN" add d leaving
    mv leaving/cells/1.jpg away.jpg
    want 0 "$AKIN" add d leaving && equal "$(tiles d)" 12 'tiles without being told'
    want 0 "$AKIN" add d leaving --drop-missing && has err dropped && equal "$(tiles d)" 11 tiles
    want 0 "$AKIN" search d --image away.jpg -k 100 --json && hasnt out leaving/cells/1.jpg && equal "$(lines out)" 11 answers
    clean d
    mv away.jpg leaving/cells/1.jpg
    want 0 "$AKIN" add d leaving && equal "$(tiles d)" 12 'tiles when it is back'
    clean d
}

test_dry_run() {
    cp -r photos more
    picture more/cells/new.jpg 100 100 999
    sums c >before
    want 0 "$AKIN" add c more --dry-run && has err '13 images found' 'to do: 13 tiles'
    want 0 "$AKIN" add c more --dry-run --json && json_valid out && has out '"tiles_expected":13'
    sums c >after
    same before after 'the collection before and after a dry run'
    want 0 "$AKIN" init e && want 0 "$AKIN" add e photos --dry-run && has err 'to do: 12 tiles' && equal "$(tiles e)" 0 tiles
}

test_odd_names() {
    mkdir 'odd names' 'odd names/it'"'"'s "quoted"'
    newline='odd names/two
lines.png'
    latin=$(printf 'odd names/gr\374n \377\376.png')
    set -- 'odd names/a b  c.png' 'odd names/it'"'"'s "quoted"/$(x) `y`; *.png' "$newline" "$latin" \
        'odd names/grün 雪 🛰.png' 'odd names/-rf.png' 'odd names/100%s%n.png' 'odd names/a,b\c.png' 'odd names/[1].png'
    seed=20
    for name in "$@"; do
        picture "$name" 96 96 $((seed = seed + 7))
    done
    want 0 "$AKIN" init 'odd collection "é"' && want 0 "$AKIN" add 'odd collection "é"' 'odd names' && has err "$# images"
    for name in "$@"; do
        want 0 "$AKIN" search 'odd collection "é"' --image "$name" -k 1 --json && above out 0.999
        equal "$(json_lines_valid out)" 1 'valid lines'
    done
    want 0 "$AKIN" search 'odd collection "é"' --image "$newline" && equal "$(lines out)" $# 'lines of text'
    want 0 "$AKIN" search 'odd collection "é"' --image "$newline" --geojson && json_valid out
    want 0 "$AKIN" search 'odd collection "é"' --image "$newline" --html odd.html
    want 0 "$AKIN" add 'odd collection "é"' 'odd names' && has err 'nothing to do'
    cd 'odd names' && want 0 "$AKIN" add '../odd collection "é"' -- -rf.png && has "$T/err" 'nothing to do'
    cd "$T" && clean 'odd collection "é"'
    want 1 "$AKIN" add 'odd collection "é"' "$(printf 'no\nsuch.png')" && equal "$(lines err)" 1 'lines of an error'
}

test_second_writer() {
    mkdir many
    i=0
    while [ $((i += 1)) -le 30 ]; do picture many/$i.jpg 640 640 $i; done
    cp -r c busy
    "$AKIN" add busy many 2>writer.err &
    writer=$!
    tries=0
    while [ "$(cat busy/lock)" != $writer ] && [ $((tries += 1)) -lt 2000 ]; do sleep 0.005; done
    kill -STOP $writer || fault 'the writer had ended before it could be stopped'
    want 1 "$AKIN" add busy photos && has err "pid $writer"
    want 1 "$AKIN" embed busy --refit && has err "pid $writer"
    want 0 "$AKIN" search busy --image photos/cells/1.jpg -k 1 --json && has out photos/cells/1.jpg
    want 0 "$AKIN" status busy
    want 0 "$AKIN" add busy photos --dry-run
    kill -CONT $writer
    wait $writer || fault "the first writer failed: $(cat writer.err)"
    equal "$(tiles busy)" 42 tiles
    clean busy
    want 0 "$AKIN" add busy photos many && has err 'nothing to do'
}

test_interrupt() {
    cp -r c stopped
    "$AKIN" add stopped many 2>stop.err &
    writer=$!
    tries=0
    while [ "$(cat stopped/lock)" != $writer ] && [ $((tries += 1)) -lt 2000 ]; do sleep 0.005; done
    kill -TERM $writer
    wait $writer
    got=$?
    # It may have been done before the signal came; stopped, it must say how to go on.
    [ $got = 0 ] || { equal $got 1 'exit status of a stopped add'; matches stop.err 'stopped'; }
    clean stopped
    want 0 "$AKIN" add stopped many && equal "$(tiles stopped)" 42 tiles
    clean stopped
}

test_newer_version() {
    want 0 "$AKIN" init n
    printf '\000\000\003\347' | dd of=n/collection.sqlite bs=1 seek=60 conv=notrunc 2>/dev/null
    cksum n/collection.sqlite >before
    for command in 'add n photos' 'search n --tile 0000000100000000' 'status n' 'verify n' 'embed n --refit' 'eval n'; do
        want 1 "$AKIN" $command && matches err 'newer|version'
    done
    cksum n/collection.sqlite >after
    same before after 'the catalogue of a newer akin'
}

test_wrong_paths() {
    for command in 'add nowhere photos' 'search nowhere --tile 0000000100000000' 'status nowhere' 'verify nowhere' \
        'embed nowhere --refit' 'eval nowhere'; do
        want 1 "$AKIN" $command && has err nowhere 'akin init'
    done
    [ ! -e nowhere ] || fault 'something was made'
    want 1 "$AKIN" status photos && has err photos
    want 1 "$AKIN" status add.err && has err add.err
    want 1 "$AKIN" add c no-such-folder && has err no-such-folder
    want 1 "$AKIN" add c photos '*.none' && has err '*.none'
    want 1 "$AKIN" search c --image none.jpg && has err none.jpg
    want 1 "$AKIN" init c && has err "'c'"
    want 1 "$AKIN" init photos && has err photos
    want 1 "$AKIN" init a/b/c && has err a/b
    mkdir empty && want 0 "$AKIN" init empty
    want 1 "$AKIN" search empty --tile 0000000100000000 && has err 'akin add'
    want 1 "$AKIN" eval empty
    want 0 "$AKIN" status empty && want 0 "$AKIN" status empty --json && json_valid out && has out '"model":null'
    clean empty
}

test_without_rights() {
    [ "$(id -u)" = 0 ] || { skip 'needs root, to become nobody'; return; }
    nobody='setpriv --reuid=65534 --regid=65534 --clear-groups'
    chmod 755 "$T"
    $nobody "$AKIN" --version >/dev/null 2>&1 || { skip "nobody cannot run $AKIN here"; return; }
    cp -r c locked
    chmod 700 locked/chips photos/dots
    mkdir reach && chmod 700 reach
    want 1 $nobody "$AKIN" add locked photos && matches err 'ermission|rights|denied'
    want 1 $nobody "$AKIN" init reach/x && has err reach
    want 1 $nobody "$AKIN" init mine && has err mine
    chmod 755 photos/dots locked/chips
    # One who may only read can search.
    want 0 $nobody "$AKIN" search locked --image photos/cells/1.jpg -k 1 --json && has out cells/1.jpg
    want 0 $nobody "$AKIN" status locked --json && has out '"tiles":12'
    want 1 $nobody "$AKIN" embed locked --refit
    # A folder that must not be looked into is named, and the others are taken.
    mkdir -m 777 open
    cp -r photos some && chmod -R a+rX some && chmod 700 some/dots && chmod 600 some/cells/1.jpg
    want 0 $nobody "$AKIN" init open/c && want 1 $nobody "$AKIN" add open/c some && has err some/dots some/cells/1.jpg
    equal "$(tiles open/c)" 7 tiles
    clean open/c
}

test_too_little_memory() {
    want 0 "$AKIN" init m
    want 1 "$AKIN" add m photos --ram 10M -j 2 && has err '--ram' 'needs at least'
    enough=$(sed -n 's/.*give --ram \([0-9]*M\).*/\1/p' err)
    equal "$(tiles m)" 0 tiles
    want 0 "$AKIN" add m photos --ram "$enough" -j 2 && equal "$(tiles m)" 12 tiles
}

# A collection of one raster of each sample type.
try_type() {
    rm -rf t
    raw "$1.img" 160 128 "$2" "$1" 5 "$3" 10,20,26,32.8
    want 0 "$AKIN" init t --tile 32 && want 0 "$AKIN" add t "$1.img" || return
    [ "$(tiles t)" -gt 0 ] || fault "no tile of $1"
    want 0 "$AKIN" search t --at 15,25 -k 5 --keep-examples --json && equal "$(lines out)" 5 answers && above out 0.999
    want 0 "$AKIN" search t --at 15,25 -k 5 --html t.html && has t.html 'data:image/jpeg'
    want 0 "$AKIN" search t --image "$1.img" -k 5 --json && above out 0.999
    clean t
    want 0 "$AKIN" embed t --refit && clean t
}

test_other_sample_types() {
    for type in u8 u16 i16 i32 f32 f64; do
        try_type $type 3 texture
    done
    try_type u16 7 texture
    try_type f32 1 texture
    try_type f32 64 texture
}

test_missing_and_infinite_pixels() {
    try_type f32 3 holes
    grep -q '"tiles_skipped":0' status.json && fault 'no tile was skipped'
    raw nan.img 160 128 3 f32 5 nan 10,20,26,32.8
    raw inf.img 160 128 3 f32 5 inf 10,20,26,32.8
    raw flat.img 160 128 3 f32 5 constant 10,20,26,32.8
    want 0 "$AKIN" init none --tile 32 && want 1 "$AKIN" add none nan.img inf.img && has err nan.img inf.img 'no valid pixel'
    clean none
    want 0 "$AKIN" add t nan.img inf.img && has err 'skipped 126 tiles' # what f32 means is known here
    want 0 "$AKIN" add t flat.img
    want 0 "$AKIN" search t --at 15,25 -k 100000 --json && hasnt out nan.img && hasnt out '"score":nan'
    clean t
}

test_bands_that_do_not_fit() {
    want 0 "$AKIN" init b && want 0 "$AKIN" add b photos/cells/1.jpg
    raw two.img 64 64 2 u8 1
    raw grey.img 64 64 1 u8 1
    raw five.img 64 64 5 u8 1
    want 1 "$AKIN" add b two.img grey.img five.img && matches err 'two.img.*2.*3|two.img.*3.*2' && hasnt err 'grey.img'
    equal "$(tiles b)" 3 tiles
    clean b
}

run_cases "$@" -- help misuse add_again_does_nothing an_image_finds_itself tiles_as_examples unlikes points \
    counts_and_threshold filters collapse_place json_lines geojson html_sheet where_inside eval status_and_verify damage_is_found repair refit \
    a_changed_file_replaces_its_tiles drop_missing dry_run odd_names second_writer interrupt newer_version wrong_paths \
    without_rights too_little_memory other_sample_types missing_and_infinite_pixels bands_that_do_not_fit
