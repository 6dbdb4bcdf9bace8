#!/bin/sh
# make install into an empty place: a program is built against what lies there, as somebody else would, and runs.
#
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

BUILD_FOLDER=$(dirname "$(dirname "$AKIN")")
PLACE=$T/place
LIB=$PLACE/usr/lib

# Not a part of the make that may be running us.
quiet_make() { env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s -C "$ROOT" BUILD="$BUILD_FOLDER" "$@"; }

test_installs_all_its_parts() {
    want 0 quiet_make install DESTDIR="$PLACE" PREFIX=/usr || return
    for part in bin/akin lib/libakin.a lib/libakin.so lib/pkgconfig/akin.pc include/akin/akin.h include/akin/core/file.h \
        include/akin/array/safetensors.h share/doc/akin/init.md share/doc/akin/examples/index.c; do
        [ -e "$PLACE/usr/$part" ] || fault "$part is not installed"
    done
    want 0 "$PLACE/usr/bin/akin" --version
    hasnt "$LIB/pkgconfig/akin.pc" "$PLACE"
}

test_exports_what_the_headers_declare() {
    want 0 readelf -d "$LIB/libakin.so" && matches "$T/out" 'SONAME.*\[libakin\.so\.[0-9]+\]'
    want 0 nm -D --defined-only --format=posix "$LIB/libakin.so" || return
    cut -d' ' -f1 "$T/out" | sort >"$T/exported"
    [ -s "$T/exported" ] || fault "nothing is exported"
    grep -v '^akin_' "$T/exported" >"$T/others" && fault "exported, but not akin's: $(head -n 5 "$T/others")"
    # Every function that a public header declares is there.
    cat "$PLACE"/usr/include/akin/*.h "$PLACE"/usr/include/akin/*/*.h | tr '\n' ' ' |
        sed 's:/\*[^*]*\*\{1,\}\([^/*][^*]*\*\{1,\}\)*/::g; s/static inline[^{]*{[^}]*}//g' |
        grep -oE 'akin_[a-z0-9_]+\(' | tr -d '(' | sort -u >"$T/declared"
    nm -g --defined-only --format=posix "$LIB/libakin.a" 2>/dev/null | cut -d' ' -f1 | grep '^akin_' | sort -u >"$T/archive"
    # Types of callbacks look like functions to grep: only what the archive defines counts.
    for name in $(comm -12 "$T/declared" "$T/archive" | comm -23 - "$T/exported"); do
        fault "$name is declared but not exported"
    done
    [ "$(comm -12 "$T/declared" "$T/exported" | wc -l)" -gt 100 ] || fault "fewer than 100 declared functions are exported"
}

write_program() {
    cat >"$T/program.c" <<'END'
#include <akin/akin.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    akin_error err = {0};
    akin_catalog *catalog = NULL;
    if (argc != 2 || akin_catalog_create(argv[1], NULL, &err) != AKIN_OK ||
        akin_catalog_open(&catalog, argv[1], AKIN_OPEN_WRITE, &err) != AKIN_OK)
        return fprintf(stderr, "%s\n", err.text), 1;
    printf("tiles of %u\n", akin_catalog_settings(catalog)->tile_px);
    akin_catalog_close(catalog);
    return 0;
}
END
}
flags() {
    PKG_CONFIG_PATH=$LIB/pkgconfig pkg-config --define-variable=prefix="$PLACE/usr" \
        --define-variable=libdir="$LIB" "$@" akin
}

test_a_program_links_the_shared_library() {
    write_program
    want 0 flags --cflags --libs || return
    # shellcheck disable=SC2046
    want 0 "${CC:-gcc}" -std=c11 -Wall -Werror -o "$T/shared" "$T/program.c" $(flags --cflags --libs) || return
    LD_LIBRARY_PATH=$LIB want 0 "$T/shared" "$T/one" && has "$T/out" 'tiles of 256'
    want 0 readelf -d "$T/shared" && has "$T/out" 'libakin.so.'
    LD_LIBRARY_PATH=$LIB want 1 "$T/shared" "$T/one" && has "$T/err" 'is a collection already'
}

test_a_program_links_the_archive() {
    write_program
    # shellcheck disable=SC2046
    want 0 "${CC:-gcc}" -std=c11 -o "$T/static" "$T/program.c" $(flags --cflags) "$LIB/libakin.a" \
        $(flags --libs --static | sed 's/-lakin//') || return
    want 0 "$T/static" "$T/two" && has "$T/out" 'tiles of 256'
    want 0 readelf -d "$T/static" && hasnt "$T/out" 'libakin.so'
}

# The index alone: what it needs is in no other stage than core and vec, so that no library but jansson and libc is linked.
test_the_example_of_the_index() {
    example=$PLACE/usr/share/doc/akin/examples/index.c
    # shellcheck disable=SC2046
    want 0 "${CC:-gcc}" -std=c11 -Wall -Wextra -Werror -o "$T/index" "$example" $(flags --cflags) "$LIB/libakin.a" -ljansson -lm \
        -pthread || return
    want 0 "$T/index" "$T/example.index" || return
    equal "$(lines "$T/out")" 5 'answers of the example'
    head -n 1 "$T/out" >"$T/first"
    has "$T/first" 'key 42, distance 0.00'
    want 0 "$T/index" "$T/example.index" && has "$T/out" 'key 42, distance 0.00' # it is there already: opened, and asked again
    # The header shows the same lines.
    sed -n 's/^ \* \{5\}//p' "$PLACE/usr/include/akin/index.h" | sed -n '1,/akin_index_close/p' >"$T/shown"
    [ "$(lines "$T/shown")" -gt 12 ] || fault 'the header has no example'
    while IFS= read -r line; do
        [ -z "$line" ] || has "$example" "$line"
    done <"$T/shown"
}

run_cases "$@" -- installs_all_its_parts exports_what_the_headers_declare a_program_links_the_shared_library \
    a_program_links_the_archive the_example_of_the_index
