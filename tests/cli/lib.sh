# What the scripts of tests/cli share. They speak as tests/check.c does: "# ..." details, then "ok NAME",
# "not ok NAME" or "skip NAME: why" a case; exit 1 where one failed. tools/run-tests adds the lines up.
#
#   AKIN         the program, an absolute path
#   AKIN_TOOLS   the folder of the built tests/tools programs (make_images, watch, ...)
#   AKIN_SHARED_DATA   shared/data, where it is not beside the checkout
#
# A script: `. tests/cli/lib.sh`, one function test_NAME a case, last `run_cases "$@" -- NAME...`. With arguments only
# the cases whose names contain one of them are run.
#
# SPDX-License-Identifier: Apache-2.0
set -u
LC_ALL=C
export LC_ALL
: "${AKIN:?is to hold the path of the program}" "${AKIN_TOOLS:?is to hold the folder of tests/tools}"
TESTS_CLI=$(cd "$(dirname "$0")" && pwd)
ROOT=$(cd "$TESTS_CLI/../.." && pwd)
SHARED=${AKIN_SHARED_DATA:-$ROOT/../shared/data}
# As akin names what is in it: without symbolic links.
SHARED=$(cd "$SHARED" 2>/dev/null && pwd -P || echo "$SHARED")
T=$(mktemp -d "${TMPDIR:-/tmp}/akin-cli-XXXXXX") || exit 1
cd "$T" || exit 1
failed_cases=0
at_end=:
# A folder of a failed case stays, to be looked at.
finish() {
    $at_end
    cd /
    if [ "$failed_cases" = 0 ]; then rm -rf "$T"; else echo "# left for you to look at: $T"; fi
}
trap finish EXIT
trap 'exit 1' INT TERM

# fault TEXT: the case has failed, and goes on.
fault() {
    printf '# %s\n' "$*" | tr '\n' ' '
    echo
    faults=$((faults + 1))
}
# skip WHY: return after it.
skip() { skipped=$*; }

# want STATUS COMMAND...: runs it, with its output in $T/out and $T/err, and compares its exit status.
want() {
    want_status=$1
    shift
    "$@" >"$T/out" 2>"$T/err" </dev/null
    got_status=$?
    [ "$got_status" = "$want_status" ] && return 0
    fault "exit status $got_status, not $want_status, of: $*"
    tail -n 5 "$T/err" | sed 's/^/#     /'
    return 1
}
# has FILE TEXT..., hasnt FILE TEXT: fixed strings. matches FILE REGEX.
has() {
    has_file=$1
    shift
    for has_text in "$@"; do
        grep -qF -e "$has_text" "$has_file" || {
            fault "'$has_text' is not in $has_file:"
            head -n 5 "$has_file" | sed 's/^/#     /'
        }
    done
}
hasnt() { grep -qF -e "$2" "$1" && fault "'$2' is in $1"; :; }
matches() {
    grep -qE -e "$2" "$1" || {
        fault "/$2/ matches nothing in $1:"
        head -n 5 "$1" | sed 's/^/#     /'
    }
}
# equal A B WHAT
equal() { [ "$1" = "$2" ] || fault "$3: '$1', not '$2'"; }
# same FILE FILE WHAT: byte for byte.
same() {
    cmp -s "$1" "$2" && return 0
    fault "$3: $1 and $2 differ"
    diff "$1" "$2" | head -n 6 | sed 's/^/#     /'
    return 1
}
# lines FILE: how many.
lines() { wc -l <"$1" | tr -d ' '; }
# json_number FILE KEY: the first number under that key.
json_number() { sed -n 's/.*"'"$2"'":\(-\{0,1\}[0-9.][0-9.e+-]*\).*/\1/p' "$1" | head -n 1; }

# clean DIR: akin verify finds nothing wrong.
clean() { want 0 "$AKIN" verify "$1" && has "$T/out" 'all is well'; }
# ranking DIR KEY FILE: all that the collection answers, best first.
ranking() { "$AKIN" search "$1" --tile "$2" --keep-examples -k 100000 --json >"$3" 2>"$T/err" </dev/null; }
# first_key DIR: the key of the best answer to nothing in particular: a tile that is there.
first_key() {
    "$AKIN" search "$1" --image "$2" -k 1 --json 2>/dev/null | sed -n 's/.*"tile":"\([0-9a-f]*\)".*/\1/p'
}

picture() { "$AKIN_TOOLS/make_images" picture "$@" || fault "make_images picture $*"; }
raw() { "$AKIN_TOOLS/make_images" raw "$@" || fault "make_images raw $*"; }

run_one() {
    faults=0
    skipped=
    "test_$1"
    if [ "$faults" != 0 ]; then
        echo "not ok $1"
        failed_cases=$((failed_cases + 1))
    elif [ -n "$skipped" ]; then
        echo "skip $1: $skipped"
    else
        echo "ok $1"
    fi
}
# run_cases [FILTER...] -- NAME...
run_cases() {
    filters=
    while [ "$1" != -- ]; do
        filters="$filters $1"
        shift
    done
    shift
    for case_name in "$@"; do
        wanted=${filters:+no}
        for filter in $filters; do
            case $case_name in *"$filter"*) wanted= ;; esac
        done
        [ -n "$wanted" ] || run_one "$case_name"
    done
    [ "$failed_cases" = 0 ]
    exit
}
