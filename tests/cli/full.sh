#!/bin/sh
# A full disk, and a quota, in the middle of everything: a clear message and exit status 1, a collection that verifies and answers, and
# when there is room again the same command ends as if nothing had been.
#
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

mkdir images
for i in 1 2 3 4 5 6 7 8 9 10; do
    picture images/$i.jpg 512 512 $i
done

mounted=
unmount() { [ -z "$mounted" ] || umount "$mounted"; mounted=; }
at_end=unmount

add() { "$AKIN" add "$1" images --bbox 0,0,10,10; }

# Undisturbed. Chip packs, the index and the catalogue take some 10 MB.
"$AKIN" init base --tile 32 --input 16 2>/dev/null
add base 2>add.err || { cat add.err; exit 1; }
key=$("$AKIN" search base --at 5,5 -k 1 --keep-examples --json | sed -n 's/.*"tile":"\([0-9a-f]*\)".*/\1/p')
ranking base "$key" base.json
size_kb=$(du -sk base | cut -f 1)
[ "$(lines base.json)" -gt 8000 ] || { echo '# that is not what this test is about'; exit 1; }
cp -r base refit
"$AKIN" embed refit --refit 2>/dev/null
ranking refit "$key" refit.json

# What a stopped run leaves in DIR.
check_stopped() {
    matches err 'space|full|quota|large'
    [ "$(lines err)" -le 4 ] || fault "$(lines err) lines of messages"
    clean "$1"
    want 0 "$AKIN" status "$1" --json && "$AKIN_TOOLS/json_valid" <out >/dev/null || fault 'status is no JSON'
    find "$1" -name '*.tmp-*' >left
    equal "$(lines left)" 0 'temporaries left'
}
check_end() {
    clean "$1"
    ranking "$1" "$key" now.json
    same "$2" now.json 'the answers'
}

on_a_disk_of() { # SHARE in percent of what is needed
    mkdir -p disk
    mount -t tmpfs -o size=$((size_kb * $1 / 100))k none disk 2>/dev/null || { skip 'no right to mount a tmpfs'; return 1; }
    mounted=$T/disk
    want 0 "$AKIN" init disk/c --tile 32 --input 16
}

test_disk_full_during_add() {
    for share in 3 10 25 50 80; do
        on_a_disk_of $share || return
        want 1 add disk/c && check_stopped disk/c
        want 1 add disk/c && check_stopped disk/c # again, still full
        mount -o remount,size=$((3 * size_kb))k disk
        want 0 add disk/c && check_end disk/c base.json
        unmount
    done
}

test_disk_full_during_refit() {
    mkdir -p disk
    mount -t tmpfs -o size=$((3 * size_kb))k none disk 2>/dev/null || { skip 'no right to mount a tmpfs'; return; }
    mounted=$T/disk
    cp -r base disk/c
    # Room for an eighth of what the refit writes; a file of the rest of the disk.
    free_kb=$(df -k disk | awk 'NR == 2 { print $4 }')
    dd if=/dev/zero of=disk/rest bs=1024 count=$((free_kb - size_kb / 8)) 2>/dev/null
    want 1 "$AKIN" embed disk/c --refit && check_stopped disk/c
    ranking disk/c "$key" now.json
    same base.json now.json 'the answers meanwhile'
    rm disk/rest
    want 0 "$AKIN" embed disk/c --refit && check_end disk/c refit.json
    unmount
}

test_disk_full_at_init() {
    mkdir -p disk
    mount -t tmpfs -o size=16k none disk 2>/dev/null || { skip 'no right to mount a tmpfs'; return; }
    mounted=$T/disk
    want 1 "$AKIN" init disk/c && matches err 'space|full'
    [ ! -e disk/c ] || fault 'half a collection was left'
    unmount
}

# RLIMIT_FSIZE, in blocks of 512 bytes: the stand-in for a quota, which needs no rights.
test_quota_during_add() {
    for blocks in 8 200 1000 2500; do
        rm -rf q
        want 0 "$AKIN" init q --tile 32 --input 16
        (ulimit -f $blocks && "$AKIN" add q images --bbox 0,0,10,10) >out 2>err </dev/null
        equal $? 1 "exit status with files of $blocks blocks at most"
        check_stopped q
        want 0 add q && check_end q base.json
    done
}

test_no_room_for_an_answer() {
    [ -c /dev/full ] || { skip 'no /dev/full'; return; }
    "$AKIN" search base --tile "$key" --json >/dev/full 2>err
    equal $? 1 'exit status with a full standard output'
    matches err 'write|space'
    "$AKIN" status base >/dev/full 2>err
    equal $? 1 'exit status of status with a full standard output'
    "$AKIN" verify base >/dev/full 2>err
    equal $? 1 'exit status of verify with a full standard output'
}

run_cases "$@" -- disk_full_during_add disk_full_during_refit disk_full_at_init quota_during_add no_room_for_an_answer
